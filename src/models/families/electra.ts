import type { Stream } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { pick } from '../../tensor/index.ts';
import type { Family } from '../family.ts';
import { bertEncoder, readBertConfig } from '../parts/bert-encoder.ts';
import { rootOf } from '../parts/encoder-config.ts';
import { withLayerNormNames } from '../parts/renamed.ts';
import {
  answerSpan,
  dense,
  firstToken,
  given,
  joinHeads,
  maskedHead,
  textClasses,
  tokenClasses,
} from '../parts/text-heads.ts';

export const family: Family = {
  name: 'electra',
  modelTypes: ['electra'],
  title: 'ELECTRA',
  source: '2003.10555',
  about:
    'BERT with tables of embeddings that may be narrower than the stream; discriminators tell which tokens were replaced.',
  reads: ['text', 'text pairs'],
  limits: ['Releases with a head over several choices are refused.'],
  adapt: withLayerNormNames,
  build(c, checkpoint) {
    const config = readBertConfig(c);
    const { sizes, epsilon, tied, activation } = config;
    const { M } = sizes;
    const W = c.int('embedding_size', { min: 1, max: 1 << 20, default: 128 });
    // Of the head over several choices alone.
    c.ignore(['summary_last_dropout']);
    const root = rootOf(checkpoint, 'electra.', 'embeddings.word_embeddings');
    const has = (name: string) => checkpoint.tensors.has(name);
    const masked = () =>
      maskedHead({
        ...{ checkpoint, sizes: { ...sizes, W }, epsilon },
        dense: 'generator_predictions.dense',
        norm: 'generator_predictions.LayerNorm',
        output: 'generator_lm_head',
        bias: ['generator_lm_head.bias'],
        tied: tied ? `${root}embeddings.word_embeddings` : undefined,
        // Whatever the blocks use.
        activation: 'gelu',
      });
    // Logits of being replaced, [B, T].
    const replaced = (x: Stream) => {
      const hidden = dense(x, 'discriminator_predictions.dense', { from: M }, activation);
      const logits = linear(hidden, 'discriminator_predictions.dense_prediction', { C: 1 }, { M }, { bias: true });
      return given(pick(logits, 'C', 0), ['B', 'T']);
    };
    return bertEncoder({
      family: 'electra',
      root,
      ...config,
      W,
      heads: joinHeads([
        has('classifier.weight') ? tokenClasses({ checkpoint, name: 'classifier', M }) : undefined,
        has('classifier.out_proj.weight')
          ? textClasses({ checkpoint, name: 'classifier.out_proj', M }, (x) =>
              dense(firstToken(x), 'classifier.dense', { from: M }, 'gelu'),
            )
          : undefined,
        has('generator_predictions.dense.weight') ? masked() : undefined,
        has('discriminator_predictions.dense.weight') ? { outputs: { logits: replaced } } : undefined,
        has('qa_outputs.weight') ? answerSpan({ checkpoint, name: 'qa_outputs', M }) : undefined,
      ]),
    });
  },
};
