import { activationNames } from '../../layers/activations.ts';
import type { Family } from '../family.ts';
import { type BertBlockNames, bertBlock } from '../parts/bert-block.ts';
import { bertEmbeddings } from '../parts/bert-embeddings.ts';
import { onlyEncoder, rootOf } from '../parts/encoder-config.ts';
import { readEvenSizes } from '../parts/even-sizes.ts';
import { withLayerNormNames } from '../parts/renamed.ts';
import {
  answerSpan,
  dense,
  firstToken,
  joinHeads,
  maskedHead,
  textClasses,
  tokenClasses,
} from '../parts/text-heads.ts';

const names: BertBlockNames = {
  attention: { folder: 'attention', inputs: ['q_lin', 'k_lin', 'v_lin'], output: 'out_lin' },
  attentionNorm: 'sa_layer_norm',
  up: 'ffn.lin1',
  down: 'ffn.lin2',
  outputNorm: 'output_layer_norm',
};

export const family: Family = {
  name: 'distilbert',
  modelTypes: ['distilbert'],
  title: 'DistilBERT',
  source: '1910.01108',
  about: 'BERT with half the layers and without token types.',
  gguf: ['bert'],
  adapt: withLayerNormNames,
  build(c, checkpoint) {
    const sizes = readEvenSizes(c, {
      width: ['dim'],
      heads: ['n_heads'],
      layers: ['n_layers'],
      positions: 'max_position_embeddings',
    });
    const { L, M, V, maxPositions } = sizes;
    const F = c.int('hidden_dim', { min: 1, max: 1 << 22 });
    const activation = c.oneOf('activation', activationNames, { default: 'gelu' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    // What the table of positions was filled with before training; it is stored either way.
    c.ignore(['sinusoidal_pos_embds', 'qa_dropout', 'seq_classif_dropout', 'tie_weights_']);
    onlyEncoder(c);
    const epsilon = 1e-12;
    const root = rootOf(checkpoint, 'distilbert.', 'embeddings.word_embeddings');
    const has = (name: string) => checkpoint.tensors.has(name);
    const masked = () =>
      maskedHead({
        ...{ checkpoint, sizes, epsilon, activation },
        dense: 'vocab_transform',
        norm: 'vocab_layer_norm',
        output: 'vocab_projector',
        bias: ['vocab_projector.bias'],
        tied: tied ? `${root}embeddings.word_embeddings` : undefined,
      });
    const classes = () => {
      const head = { checkpoint, name: 'classifier', M };
      return has('pre_classifier.weight')
        ? textClasses(head, (x) => dense(firstToken(x), 'pre_classifier', { from: M }, 'relu'))
        : tokenClasses(head);
    };
    return {
      family: 'distilbert',
      sizes,
      causal: false,
      embeddedPositions: maxPositions,
      embed: bertEmbeddings({
        at: (name) => `${root}embeddings.${name}`,
        ...{ V, W: M, positions: maxPositions, types: 0, epsilon },
      }),
      blocks: Array.from({ length: L }, (_, layer) => {
        const at = (name: string) => `${root}transformer.layer.${layer}.${name}`;
        return bertBlock({ at, sizes: { ...sizes, F }, epsilon, activation, names });
      }),
      norm: (x) => x,
      ignoredTensors: /(^|\.)embeddings\.position_ids$/,
      ...joinHeads([
        has('classifier.weight') ? classes() : undefined,
        has('vocab_transform.weight') ? masked() : undefined,
        has('qa_outputs.weight') ? answerSpan({ checkpoint, name: 'qa_outputs', M }) : undefined,
      ]),
    };
  },
};
