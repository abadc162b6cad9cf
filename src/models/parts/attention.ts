import { type Rotary, rotate } from '../../attention/rope.ts';
import type { AttentionSteps, Keys, Queries, Stream, Values } from '../../attention/steps.ts';
import type { Tensor } from '../../tensor/index.ts';
import type { AttentionLayer } from '../decoder.ts';

export interface AttentionParts {
  /** Projections of the normalised stream. */
  readonly q: (x: Stream) => Queries;
  readonly k: (x: Tensor<'B' | 'S' | 'M'>) => Keys;
  readonly v: (x: Tensor<'B' | 'S' | 'M'>) => Values;
  /** Norms over each head, before RoPE. Default: none. */
  readonly headNorms?: { readonly q: (x: Queries) => Queries; readonly k: (x: Keys) => Keys };
  /** Default: no rotation. */
  readonly rotary?: Rotary;
  readonly steps: AttentionSteps;
}

/** Attention from its projections and its five steps, with its hook points. Watched when any step is; fused else, if it may be. */
export function attention({ q, k, v, headNorms, rotary, steps }: AttentionParts): AttentionLayer {
  return {
    keysAndValues(x, places, hook) {
      const key = hook('attn.k.hook_out', k(x));
      const normed = headNorms ? headNorms.k(key) : key;
      const turned = rotary ? rotate(normed, places.keyPositions, rotary) : normed;
      return { k: hook('attn.hook_rot_k', turned), v: hook('attn.v.hook_out', v(x)) };
    },
    attend(x, kv, places, hook) {
      const query = hook('attn.q.hook_out', q(x));
      const normed = headNorms ? headNorms.q(query) : query;
      const turned = hook('attn.hook_rot_q', rotary ? rotate(normed, places.queryPositions, rotary) : normed);
      const watched = hook.watched('attn.hook_attn_scores', 'attn.hook_pattern', 'attn.hook_sink');
      const mixed = !watched && steps.fused ? steps.fused(turned, kv.k, kv.v, places) : watch(turned);
      return hook('attn.hook_out', steps.output(hook('attn.hook_z', mixed)));

      function watch(from: Queries): Queries {
        const scores = hook('attn.hook_attn_scores', steps.scores(from, kv.k));
        const { pattern, sink } = steps.normalise(steps.mask(scores, places));
        if (sink) hook('attn.hook_sink', sink);
        return steps.mix(hook('attn.hook_pattern', pattern), kv.v);
      }
    },
  };
}
