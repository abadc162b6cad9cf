import type { Family } from '../family.ts';
import { bertEncoder, readBertConfig } from '../parts/bert-encoder.ts';
import { rootOf, taskOf } from '../parts/encoder-config.ts';
import { realTokenRows } from '../parts/position-rows.ts';
import { withLayerNormNames } from '../parts/renamed.ts';
import {
  answerSpan,
  dense,
  firstToken,
  joinHeads,
  maskedHead,
  pooled,
  pooler,
  textClasses,
  tokenClasses,
} from '../parts/text-heads.ts';

export const family: Family = {
  name: 'roberta',
  modelTypes: ['roberta', 'xlm-roberta', 'camembert'],
  title: 'RoBERTa, XLM-RoBERTa, CamemBERT, multilingual E5, BGE-M3',
  source: '1907.11692',
  about: "BERT whose positions count the tokens that are not padding, from the padding token's id plus one.",
  reads: ['text', 'text pairs'],
  adapt: withLayerNormNames,
  build(c, checkpoint) {
    const padding = c.int('pad_token_id', { default: 1 });
    const config = readBertConfig(c);
    const { M, maxPositions } = config.sizes;
    if (maxPositions <= padding + 1)
      throw c.error('max_position_embeddings', `more than pad_token_id + 1, ${padding + 1}`);
    const root = rootOf(checkpoint, 'roberta.', 'embeddings.word_embeddings');
    const has = (name: string) => checkpoint.tensors.has(name);
    const pool = pooler(`${root}pooler.dense`, M);
    const masked = () => {
      const biases = ['lm_head.bias', 'lm_head.decoder.bias'];
      return maskedHead({
        ...config,
        checkpoint,
        dense: 'lm_head.dense',
        norm: 'lm_head.layer_norm',
        output: 'lm_head.decoder',
        bias: config.tied ? biases : biases.reverse(),
        tied: config.tied ? `${root}embeddings.word_embeddings` : undefined,
        // Whatever the blocks use.
        activation: 'gelu',
      });
    };
    const classes = () => {
      const task = taskOf(c, checkpoint, ['MultipleChoice', 'TokenClassification']);
      const head = { checkpoint, name: 'classifier', M };
      return task === 'TokenClassification' ? tokenClasses(head) : textClasses(head, pool);
    };
    return bertEncoder({
      family: 'roberta',
      root,
      ...config,
      before: padding + 1,
      rowOf: realTokenRows(padding),
      heads: joinHeads([
        has('classifier.weight') ? classes() : undefined,
        has('classifier.out_proj.weight')
          ? textClasses({ checkpoint, name: 'classifier.out_proj', M }, (x) =>
              dense(firstToken(x), 'classifier.dense', { from: M }, 'tanh'),
            )
          : undefined,
        has('lm_head.dense.weight') ? masked() : undefined,
        has('qa_outputs.weight') ? answerSpan({ checkpoint, name: 'qa_outputs', M }) : undefined,
        has(`${root}pooler.dense.weight`) ? pooled(pool) : undefined,
      ]),
    });
  },
};
