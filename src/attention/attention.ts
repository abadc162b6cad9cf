import { add, divide, isSame, maximum, multiply, subtract, sum, type Tensor, type Within } from '../tensor/index.ts';
import { attendCached, type Bank } from './cached.ts';
import type { AttentionLayer, AttentionTap } from './layer.ts';
import type { Places } from './places.ts';
import { type Rotary, rotate } from './positions/rope.ts';
import type { AttentionGiven, AttentionSteps, Keys, Normalised, Queries, ScoreBias, Stream, Values } from './steps.ts';

/** Turns queries or keys by where they stand. */
export type Turn = <A extends string>(x: Tensor<A>, positions: Within<A>, places: Places) => Tensor<A>;

export interface AttentionParts {
  /** Projections of the normalised stream. */
  readonly q: (x: Stream) => Queries;
  readonly k: (x: Tensor<'B' | 'S' | 'M'>) => Keys;
  readonly v: (x: Tensor<'B' | 'S' | 'M'>, places: Places) => Values;
  /** What else the steps look at along the keys, from the stream and from that of the block that this one looks back to. Default: nothing. */
  readonly more?: (
    x: Tensor<'B' | 'S' | 'M'>,
    places: Places,
    earlier?: Tensor<'B' | 'S' | 'M'>,
  ) => Readonly<Record<string, Keys>>;
  /** Norms over each head, before RoPE. Default: none. */
  readonly headNorms?: { readonly q: (x: Queries) => Queries; readonly k: (x: Keys) => Keys };
  /** Default: no rotation. */
  readonly rotary?: Rotary | undefined;
  /** In place of `rotary`, where the grid of patches is looked at as well. */
  readonly turn?: Turn;
  /** Added to the scores before the mask; rules out the fused operator. Default: nothing. */
  readonly bias?: ScoreBias | undefined;
  /** The five steps, or a function that makes them from the layer's values. */
  readonly steps: AttentionSteps | ((given: AttentionGiven) => AttentionSteps);
}

/**
 * Weights rescaled so that rows sum to one minus the sink, with those of compressed entries: what an edit of the mass on a learned sink
 * means. Rows of nothing stay nothing.
 */
function fillRows({ pattern, compressed }: Normalised, sink: Tensor<'B' | 'G' | 'R' | 'T'>): Normalised {
  const total = compressed ? add(sum(pattern, 'S'), sum(compressed, 'S')) : sum(pattern, 'S');
  const factor = divide(subtract(1, sink), maximum(total, 1e-30)) as never;
  return {
    pattern: multiply(pattern, factor),
    ...(compressed ? { compressed: multiply(compressed, factor) } : {}),
  };
}

/** Attention from its projections and its five steps, with its hook points. Watched when any step is; fused else, if it may be. */
export function attention(parts: AttentionParts): AttentionLayer {
  const { q, k, v, more, headNorms, rotary, bias, steps: made } = parts;
  const turn: Turn = parts.turn ?? ((x, positions) => (rotary ? rotate(x, positions, rotary) : x));
  return {
    ...(rotary ? { rotary } : {}),
    ...(typeof made === 'function' || parts.turn
      ? {}
      : {
          attendCached: (x: Stream, banks: readonly Bank[], hook: AttentionTap) =>
            attendCached({ ...parts, steps: made }, x, banks, hook),
        }),
    keysAndValues(x, places, hook, earlier) {
      const key = hook('attn.k.hook_out', k(x));
      const normed = headNorms ? headNorms.k(key) : key;
      const turned = turn(normed, places.keyPositions, places);
      return {
        k: hook('attn.hook_rot_k', turned),
        v: hook('attn.v.hook_out', v(x, places)),
        ...(more ? { more: more(x, places, earlier) } : {}),
      };
    },
    attend(x, kv, places, hook, earlier) {
      const query = hook('attn.q.hook_out', q(x));
      const normed = headNorms ? headNorms.q(query) : query;
      const turned = hook('attn.hook_rot_q', turn(normed, places.queryPositions, places));
      const steps =
        typeof made === 'function'
          ? made({ x, q: turned, ...kv, ...(earlier ? { earlier } : {}), places, hook })
          : made;
      const watched = hook.watched(
        ...(['attn.hook_attn_scores', 'attn.hook_pattern', 'attn.hook_sink', 'attn.hook_compressed'] as const),
      );
      const mixed = !watched && !bias && steps.fused ? steps.fused(turned, kv.k, kv.v, places) : watch();
      return hook('attn.hook_out', steps.output(hook('attn.hook_z', mixed)));

      function watch(): Queries {
        const scores = hook('attn.hook_attn_scores', steps.scores(turned, kv.k));
        const normal = steps.normalise(steps.mask(bias ? bias(scores, places) : scores, places));
        const left = normal.sink && hook('attn.hook_sink', normal.sink);
        const rows = !normal.sink || !left || isSame(left, normal.sink) ? normal : fillRows(normal, left);
        const pattern = hook('attn.hook_pattern', rows.pattern);
        const compressed = rows.compressed && hook('attn.hook_compressed', rows.compressed);
        return steps.mix(pattern, kv.v, left, compressed);
      }
    },
  };
}
