import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { type HeadSizes, type ProjectionNames, projections } from '../../attention/projections.ts';
import type { ActivationName } from '../../layers/activations.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { Block } from '../block.ts';
import { postNormBlock } from './blocks.ts';
import { plainMlp } from './mlp.ts';

export interface BertBlockOptions {
  /** Full name of a weight of the layer. */
  readonly at: (name: string) => string;
  readonly sizes: HeadSizes & { readonly F: number };
  readonly epsilon: number;
  readonly activation: ActivationName;
  readonly names?: BertBlockNames;
}

/** Weight names inside a layer, without `.weight`. */
export interface BertBlockNames {
  readonly attention: ProjectionNames;
  readonly attentionNorm: string;
  readonly up: string;
  readonly down: string;
  readonly outputNorm: string;
}

const bertNames: BertBlockNames = {
  attention: { folder: 'attention', inputs: ['self.query', 'self.key', 'self.value'], output: 'output.dense' },
  attentionNorm: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  outputNorm: 'output.LayerNorm',
};

/** BERT's block: attention in both directions with biases, feed-forward, LayerNorm after the residual of each. */
export function bertBlock({ at, sizes, epsilon, activation, names = bertNames }: BertBlockOptions): Block {
  const { output, ...project } = projections(at, sizes, { inputs: true, output: true }, names.attention);
  return postNormBlock({
    attention: attention({ ...project, steps: softmaxSteps({ scale: sizes.D ** -0.5, causal: false, output }) }),
    ln1: (x) => layerNorm(x, 'M', at(names.attentionNorm), { epsilon }),
    ln2: (x) => layerNorm(x, 'M', at(names.outputNorm), { epsilon }),
    mlp: plainMlp({ up: at(names.up), down: at(names.down) }, sizes, activation),
  });
}
