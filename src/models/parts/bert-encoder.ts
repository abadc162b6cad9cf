import { type ActivationName, activationNames } from '../../layers/activations.ts';
import type { ConfigReader } from '../../load/config.ts';
import type { TokenStack } from '../stack.ts';
import { bertBlock } from './bert-block.ts';
import { bertEmbeddings } from './bert-embeddings.ts';
import { onlyEncoder } from './encoder-config.ts';
import { readEvenSizes } from './even-sizes.ts';
import type { Heads } from './text-heads.ts';

export interface BertConfig {
  readonly sizes: TokenStack['sizes'] & { readonly F: number };
  readonly epsilon: number;
  readonly activation: ActivationName;
  /** Number of token types. */
  readonly types: number;
  readonly tied: boolean;
}

/** The keys of BERT and of those that are stored like it. */
export function readBertConfig(c: ConfigReader): BertConfig {
  const sizes = readEvenSizes(c, {
    width: ['hidden_size'],
    heads: ['num_attention_heads'],
    layers: ['num_hidden_layers'],
    positions: 'max_position_embeddings',
  });
  const config: BertConfig = {
    sizes: { ...sizes, F: c.int('intermediate_size', { min: 1, max: 1 << 22 }) },
    epsilon: c.number('layer_norm_eps', { default: 1e-12 }),
    activation: c.oneOf('hidden_act', activationNames, { default: 'gelu' }),
    types: c.int('type_vocab_size', { min: 1, max: 1 << 16, default: 2 }),
    tied: c.bool('tie_word_embeddings', { default: true }),
  };
  onlyEncoder(c);
  return config;
}

export interface BertEncoderOptions extends BertConfig {
  readonly family: string;
  /** What stands before the names of the encoder's weights: `bert.`, or nothing. */
  readonly root: string;
  readonly heads: Heads;
  /** Width of the tables of embeddings. Default M. */
  readonly W?: number;
  /** Rows of the table of positions that are of no position, before the others. Default 0. */
  readonly before?: number;
  readonly rowOf?: Parameters<typeof bertEmbeddings>[0]['rowOf'];
}

/** `{root}embeddings`, `{root}encoder.layer.{i}`: BERT's outline, with the heads of a release. */
export function bertEncoder(options: BertEncoderOptions): TokenStack {
  const { family, root, sizes, epsilon, activation, types, heads, before = 0, rowOf } = options;
  const { L, M, V, maxPositions: P } = sizes;
  const { W = M } = options;
  return {
    family,
    sizes: { ...sizes, maxPositions: P - before },
    causal: false,
    types,
    embeddedPositions: P - before,
    embed: bertEmbeddings({
      at: (name) => `${root}embeddings.${name}`,
      ...{ V, W, types, epsilon },
      positions: P,
      ...(rowOf ? { rowOf } : {}),
      ...(W === M ? {} : { widen: { name: `${root}embeddings_project`, M } }),
    }),
    blocks: Array.from({ length: L }, (_, layer) =>
      bertBlock({ at: (name) => `${root}encoder.layer.${layer}.${name}`, sizes, epsilon, activation }),
    ),
    norm: (x) => x,
    // Whole numbers from 0, which early releases stored.
    ignoredTensors: /(^|\.)embeddings\.(position_ids|token_type_ids)$/,
    ...heads,
  };
}
