import { divide, isSame, maximum, multiply, subtract, sum, type Tensor } from '../tensor/index.ts';
import { attendCached, type Bank } from './cached.ts';
import type { AttentionLayer, AttentionTap } from './layer.ts';
import { type Rotary, rotate } from './positions/rope.ts';
import type { AttentionGiven, AttentionSteps, Keys, Queries, ScoreBias, Scores, Stream, Values } from './steps.ts';

export interface AttentionParts {
  /** Projections of the normalised stream. */
  readonly q: (x: Stream) => Queries;
  readonly k: (x: Tensor<'B' | 'S' | 'M'>) => Keys;
  readonly v: (x: Tensor<'B' | 'S' | 'M'>) => Values;
  /** Norms over each head, before RoPE. Default: none. */
  readonly headNorms?: { readonly q: (x: Queries) => Queries; readonly k: (x: Keys) => Keys };
  /** Default: no rotation. */
  readonly rotary?: Rotary | undefined;
  /** Added to the scores before the mask; rules out the fused operator. Default: nothing. */
  readonly bias?: ScoreBias | undefined;
  /** The five steps, or a function that makes them from the layer's values. */
  readonly steps: AttentionSteps | ((given: AttentionGiven) => AttentionSteps);
}

/** Rows rescaled to sum to one minus the sink: what an edit of the mass on a learned sink means. Rows of nothing stay nothing. */
function fillRows(pattern: Scores, sink: Tensor<'B' | 'G' | 'R' | 'T'>): Scores {
  return multiply(pattern, divide(subtract(1, sink), maximum(sum(pattern, 'S'), 1e-30)) as never);
}

/** Attention from its projections and its five steps, with its hook points. Watched when any step is; fused else, if it may be. */
export function attention(parts: AttentionParts): AttentionLayer {
  const { q, k, v, headNorms, rotary, bias, steps: made } = parts;
  return {
    ...(rotary ? { rotary } : {}),
    ...(typeof made === 'function'
      ? {}
      : {
          attendCached: (x: Stream, banks: readonly Bank[], hook: AttentionTap) =>
            attendCached({ ...parts, steps: made }, x, banks, hook),
        }),
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
      const steps = typeof made === 'function' ? made({ x, q: turned, ...kv, places, hook }) : made;
      const watched = hook.watched('attn.hook_attn_scores', 'attn.hook_pattern', 'attn.hook_sink');
      const mixed = !watched && !bias && steps.fused ? steps.fused(turned, kv.k, kv.v, places) : watch();
      return hook('attn.hook_out', steps.output(hook('attn.hook_z', mixed)));

      function watch(): Queries {
        const scores = hook('attn.hook_attn_scores', steps.scores(turned, kv.k));
        const { pattern, sink } = steps.normalise(steps.mask(bias ? bias(scores, places) : scores, places));
        const left = sink && hook('attn.hook_sink', sink);
        const rows = !sink || !left || isSame(left, sink) ? pattern : fillRows(pattern, left);
        return steps.mix(hook('attn.hook_pattern', rows), kv.v, left);
      }
    },
  };
}
