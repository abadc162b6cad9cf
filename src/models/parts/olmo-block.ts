import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import type { Rotary } from '../../attention/positions/rope.ts';
import { projections } from '../../attention/projections.ts';
import type { Keys, Queries, Stream } from '../../attention/steps.ts';
import type { ActivationName } from '../../layers/activations.ts';
import { rmsNorm } from '../../layers/norms.ts';
import type { Block, DecoderSizes } from '../decoder.ts';
import { sandwichBlock } from './blocks.ts';
import { gatedMlp } from './mlp.ts';

export interface OlmoBlockOptions {
  /** Full name of a weight of the layer. */
  readonly at: (name: string) => string;
  readonly sizes: DecoderSizes & { readonly F: number };
  readonly epsilon: number;
  readonly rotary: Rotary;
  readonly activation: ActivationName;
  /** Biases of the four projections of attention. */
  readonly bias: boolean;
  /** Sliding window in tokens. Default: full attention. */
  readonly window?: number | undefined;
}

/** OLMo 2's block, 2501.00656: nothing is normalised before attention and feed-forward, what they give back is; one norm over all query heads, one over all keys. */
export function olmoBlock({ at, sizes, epsilon, rotary, activation, bias, window }: OlmoBlockOptions): Block {
  const { output, ...project } = projections(at, sizes, { inputs: bias, output: bias });
  const steps = softmaxSteps({ scale: sizes.D ** -0.5, window, output });
  const headNorms = {
    q: (x: Queries) => rmsNorm(x, ['G', 'R', 'D'], at('self_attn.q_norm'), { epsilon }),
    k: (x: Keys) => rmsNorm(x, ['G', 'D'], at('self_attn.k_norm'), { epsilon }),
  };
  const over = (name: string) => (x: Stream) => rmsNorm(x, 'M', at(name), { epsilon });
  const none = (x: Stream) => x;
  return sandwichBlock({
    attention: attention({ ...project, headNorms, rotary, steps }),
    ln1: none,
    ln1Post: over('post_attention_layernorm'),
    ln2: none,
    ln2Post: over('post_feedforward_layernorm'),
    mlp: gatedMlp(at, sizes, activation),
    window,
  });
}
