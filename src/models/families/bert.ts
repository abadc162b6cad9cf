import type { Family } from '../family.ts';
import { bertEncoder, readBertConfig } from '../parts/bert-encoder.ts';
import { rootOf, taskOf } from '../parts/encoder-config.ts';
import { withLayerNormNames } from '../parts/renamed.ts';
import { answerSpan, joinHeads, maskedHead, pooled, pooler, textClasses, tokenClasses } from '../parts/text-heads.ts';

export const family: Family = {
  name: 'bert',
  modelTypes: ['bert'],
  title: 'BERT, MiniLM, BGE, E5, GTE',
  source: '1810.04805',
  about: 'Learned positions and token types, attention in both directions, LayerNorm after the residual of each part.',
  reads: ['text', 'text pairs'],
  gguf: ['bert'],
  limits: ['Releases with relative positions, and BERT as a decoder, are refused.'],
  adapt: withLayerNormNames,
  build(c, checkpoint) {
    const config = readBertConfig(c);
    const { M } = config.sizes;
    const root = rootOf(checkpoint, 'bert.', 'embeddings.word_embeddings');
    const has = (name: string) => checkpoint.tensors.has(name);
    const pool = pooler(`${root}pooler.dense`, M);
    const masked = () => {
      const at = (name: string) => `cls.predictions.${name}`;
      const biases = [at('bias'), at('decoder.bias')];
      return maskedHead({
        ...config,
        checkpoint,
        dense: at('transform.dense'),
        norm: at('transform.LayerNorm'),
        output: at('decoder'),
        bias: config.tied ? biases : biases.reverse(),
        tied: config.tied ? `${root}embeddings.word_embeddings` : undefined,
      });
    };
    const classes = () => {
      const task = taskOf(c, checkpoint, ['SequenceClassification', 'MultipleChoice', 'TokenClassification']);
      const head = { checkpoint, name: 'classifier', M };
      return task === 'TokenClassification' ? tokenClasses(head) : textClasses(head, pool);
    };
    return bertEncoder({
      family: 'bert',
      root,
      ...config,
      heads: joinHeads([
        has('classifier.weight') ? classes() : undefined,
        has('cls.predictions.transform.dense.weight') ? masked() : undefined,
        has('qa_outputs.weight') ? answerSpan({ checkpoint, name: 'qa_outputs', M }) : undefined,
        has('cls.seq_relationship.weight')
          ? textClasses({ checkpoint, name: 'cls.seq_relationship', M }, pool, 'seq_relationship_logits')
          : undefined,
        has(`${root}pooler.dense.weight`) ? pooled(pool) : undefined,
      ]),
    });
  },
};
