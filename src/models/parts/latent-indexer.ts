import type { Places } from '../../attention/places.ts';
import { type Rotary, rotate } from '../../attention/positions/rope.ts';
import { indexScores } from '../../attention/selection/indexer.ts';
import type { Keys, Stream } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import { expand, pick, type Tensor } from '../../tensor/index.ts';
import { queryLatentOf } from './latent-attention.ts';

export interface LatentIndexerOptions {
  /** Full name of a weight of the layer whose indexer it is. */
  readonly at: (name: string) => string;
  readonly M: number;
  /** Are there biases in the projections from the stream to latents? */
  readonly bias: boolean;
  readonly queryLatent: number;
  readonly heads: number;
  /** Width of an index head; its last components turn. */
  readonly D: number;
  readonly rotary: Rotary;
  /** Of the norm of index keys. */
  readonly epsilon: number;
}

export interface LatentIndexer {
  /** Index keys, from the stream that attention of the indexer's own layer is given. */
  keys(x: Tensor<'B' | 'S' | 'M'>, places: Places): Keys;
  /** Scores of the keys, from the same stream along the queries. */
  scores(x: Stream, keys: Keys, places: Places): Tensor<'B' | 'T' | 'S'>;
}

/** The indexer of DeepSeek-V3.2 (2512.02556), `self_attn.indexer`: index queries from the latent that queries are made of, one index key for all heads. */
export function latentIndexer(options: LatentIndexerOptions): LatentIndexer {
  const { at, M, bias, queryLatent, heads, D, epsilon } = options;
  const turn = { ...options.rotary, last: true };
  return {
    keys(x, places) {
      const k = layerNorm(linear(x, at('self_attn.indexer.wk'), { D }, { M }), 'D', at('self_attn.indexer.k_norm'), {
        epsilon,
      });
      return expand(rotate(k, places.keyPositions, turn), { G: 1 });
    },
    scores(x, keys, places) {
      const latent = queryLatentOf(x, { at, M, bias, queryLatent });
      const q = linear(latent, at('self_attn.indexer.wq_b'), { N: heads, D }, { C: queryLatent });
      const weights = linear(x, at('self_attn.indexer.weights_proj'), { N: heads }, { M });
      return indexScores({ q: rotate(q, places.queryPositions, turn), weights }, pick(keys, 'G', 0));
    },
  };
}
