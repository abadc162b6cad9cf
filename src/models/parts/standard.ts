import type { Stream } from '../../attention/steps.ts';
import { rmsNorm } from '../../layers/norms.ts';
import type { Tensor } from '../../tensor/index.ts';
import type { Block, Decoder, DecoderSizes } from '../decoder.ts';
import { vocabulary } from './vocabulary.ts';

type Logits = Tensor<'B' | 'T' | 'V'>;

export interface StandardOptions {
  readonly family: string;
  readonly sizes: DecoderSizes;
  /** RMSNorm: ε, and what is added to the stored weight. */
  readonly epsilon: number;
  readonly offset?: number;
  readonly tied: boolean;
  /** Factor on the embeddings. Default 1. */
  readonly embeddingScale?: number;
  /** Final norm. Default: RMSNorm under `model.norm`. */
  readonly norm?: (x: Stream) => Stream;
  /** What is done to the logits. Default: nothing. */
  readonly logits?: (x: Logits) => Logits;
  /** Block i; `at` gives the full name of a weight of its layer. */
  readonly block: (layer: number, at: (name: string) => string) => Block;
}

/** `model.embed_tokens`, `model.layers.{i}`, `model.norm`, `lm_head`: the outline of Llama and most families after it. */
export function standardDecoder({
  family,
  sizes,
  epsilon,
  offset = 0,
  tied,
  embeddingScale = 1,
  norm = (x) => rmsNorm(x, 'M', 'model.norm', { epsilon, offset }),
  logits = (x) => x,
  block,
}: StandardOptions): Decoder {
  const embedding = 'model.embed_tokens';
  const output = tied ? embedding : 'lm_head';
  const { embed, unembed } = vocabulary({ V: sizes.V, M: sizes.M, embedding, output, scale: embeddingScale });
  return {
    family,
    sizes,
    embed,
    unembed: (x) => logits(unembed(x)),
    blocks: Array.from({ length: sizes.L }, (_, i) => block(i, (name) => `model.layers.${i}.${name}`)),
    norm,
    ignoredTensors: /\.rotary_emb\.inv_freq$/,
    freshNorm: 1 - offset,
    ...(tied ? { tiedTensors: ['lm_head.weight'] } : {}),
  };
}
