import { attention } from '../../attention/attention.ts';
import type { AttentionLayer } from '../../attention/layer.ts';
import { learnedSink } from '../../attention/normalisers/learned-sink.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { type Rotary, rotate, turnedBack } from '../../attention/positions/rope.ts';
import { closedWindows, compressedEntries } from '../../attention/selection/compressed-entries.ts';
import { indexScores, topKeys } from '../../attention/selection/indexer.ts';
import type { AttentionGiven, Keys, Normalised, Queries, Scores, Stream } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm, simpleRmsNorm } from '../../layers/norms.ts';
import {
  add,
  concat,
  dot,
  expand,
  multiply,
  pick,
  select,
  size,
  slice,
  split,
  type Tensor,
  weight,
} from '../../tensor/index.ts';

export interface CompressedAttentionOptions {
  /** Full name of a weight of the layer. */
  readonly at: (name: string) => string;
  readonly M: number;
  readonly H: number;
  readonly D: number;
  readonly queryLatent: number;
  readonly epsilon: number;
  /** Of the last components of each head. */
  readonly rotary: Rotary;
  /** Tokens that a query sees as they are. */
  readonly window: number;
  /** The output projection's groups of heads, and the width that each is narrowed to. */
  readonly groups: number;
  readonly groupWidth: number;
  /** Entries of the whole text so far. Default: none. */
  readonly compression?: {
    readonly rate: number;
    /** Each query sees the best of them, by an indexer; entries overlap then. Default: all. */
    readonly index?: { readonly heads: number; readonly D: number; readonly keep: number };
  };
}

/**
 * Attention of DeepSeek-V4: one head of keys, which are the values too, for all query heads; a learned sink; the tokens of a window, and beside
 * them compressed entries of the text so far. Values carry their position, which is turned back in what a head gives out. `attn.hook_pattern`
 * has the weights of the tokens, `attn.hook_compressed` those of the entries.
 */
export function compressedAttention(options: CompressedAttentionOptions): AttentionLayer {
  const { at, M, H, D, queryLatent, epsilon, rotary, window, groups, groupWidth, compression } = options;
  const heads = { G: 1, R: H } as const;
  const scale = D ** -0.5;
  const latent = (x: Stream) =>
    rmsNorm(linear(x, at('attn.wq_a'), { C: queryLatent }, { M }), 'C', at('attn.q_norm'), { epsilon });
  const keys = (x: Tensor<'B' | 'S' | 'M'>): Keys => linear(x, at('attn.wkv'), { G: 1, D }, { M });
  const normed = (k: Keys) => rmsNorm(k, 'D', at('attn.norm'), { epsilon });
  const sinks = learnedSink(weight(at('attn.attn_sink'), heads));
  const { index } = compression ?? {};

  /** Each group of heads by a projection of its own, and the groups together. */
  function output(z: Queries): Stream {
    const grouped = split(pick(z, 'G', 0), 'R', { O: groups, P: H / groups });
    const narrow = dot(grouped, weight(at('attn.wo_a.weight'), { O: groups, C: groupWidth, P: H / groups, D }), [
      'P',
      'D',
    ]);
    return linear(narrow, at('attn.wo_b'), { M }, { O: groups, C: groupWidth });
  }

  /** True where a query sees an entry. */
  function visible({ x, more, places, hook }: AttentionGiven): Tensor<'B' | 'T' | 'S'> {
    const closed = closedWindows(places, compression!.rate) as Tensor<'B' | 'T' | 'S'>;
    if (!index) return closed;
    const q = linear(latent(x), at('attn.indexer.wq_b'), { N: index.heads, D: index.D }, { C: queryLatent });
    const scores = indexScores(
      {
        q: rotate(q, places.queryPositions, rotary),
        weights: linear(x, at('attn.indexer.weights_proj'), { N: index.heads }, { M }),
      },
      pick(more!.index!, 'G', 0),
    );
    return topKeys(hook('attn.hook_index_scores', scores), closed, index.keep);
  }

  function normalise(scores: Scores, given: AttentionGiven): Normalised {
    if (!compression) return sinks(scores);
    const entries = dot(multiply(given.q, scale), given.more!.compressed!, 'D');
    const open = select(visible(given), entries, Number.NEGATIVE_INFINITY);
    const { pattern, sink } = sinks(concat([scores, open], 'S'));
    const S = size(scores, 'S');
    const part = (from: typeof S, to: typeof S) => slice(pattern, 'S', from, to);
    return { pattern: part(S.minus(S), S), compressed: part(S, S.plus(S)), ...(sink ? { sink } : {}) };
  }

  return attention({
    q: (x) => linear(latent(x), at('attn.wq_b'), { ...heads, D }, { C: queryLatent }),
    k: keys,
    v: (x, places) => rotate(normed(keys(x)), places.keyPositions, rotary),
    headNorms: { q: (q) => simpleRmsNorm(q, 'D', { epsilon }), k: normed },
    rotary,
    ...(compression
      ? {
          more(x, places) {
            const compressor = { M, rate: compression.rate, overlap: index !== undefined, epsilon, rotary };
            const made = (folder: string, width: number) =>
              expand(compressedEntries(x, places, { ...compressor, D: width, at: (name) => at(`${folder}.${name}`) }), {
                G: 1,
              });
            return {
              compressed: made('attn.compressor', D),
              ...(index ? { index: made('attn.indexer.compressor', index.D) } : {}),
            };
          },
        }
      : {}),
    steps(given) {
      const { fused: _, ...steps } = softmaxSteps({
        scale,
        window,
        output: (z) => output(rotate(z, given.places.queryPositions, turnedBack(rotary))),
      });
      return {
        ...steps,
        normalise: (scores) => normalise(scores, given),
        mix(pattern, v, _, compressed) {
          const near = dot(pattern, v, 'S');
          return compressed ? add(near, dot(compressed, given.more!.compressed!, 'S')) : near;
        },
      };
    },
  });
}
