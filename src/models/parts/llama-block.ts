import { type AttentionParts, attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import type { Rotary } from '../../attention/positions/rope.ts';
import { projections } from '../../attention/projections.ts';
import type { ActivationName } from '../../layers/activations.ts';
import { rmsNorm } from '../../layers/norms.ts';
import type { Block, DecoderSizes } from '../decoder.ts';
import { serialBlock } from './blocks.ts';
import { gatedMlp, type Mlp } from './mlp.ts';

export interface LlamaBlockOptions {
  /** Full name of a weight of the layer. */
  readonly at: (name: string) => string;
  readonly sizes: DecoderSizes & { readonly F: number };
  readonly epsilon: number;
  /** Added to the stored weights of the norms. Default 0. */
  readonly offset?: number;
  /** Undefined: positions are not told. */
  readonly rotary: Rotary | undefined;
  readonly activation: ActivationName;
  /** Biases of queries, keys and values; of the output projection; of the feed-forward part. Default none. */
  readonly bias?: { readonly inputs?: boolean; readonly output?: boolean; readonly mlp?: boolean };
  /** Sliding window in tokens. Default: full attention. */
  readonly window?: number | undefined;
  /** False where queries see the keys after them as well. Default true. */
  readonly causal?: boolean;
  /** Norms over each head before RoPE. Default none. */
  readonly headNorms?: AttentionParts['headNorms'];
  /** Feed-forward part. Default: gated, under `mlp`. */
  readonly feedForward?: Mlp | undefined;
}

/** Llama's block: RMSNorm, softmax attention with RoPE and grouped heads, RMSNorm, gated feed-forward. */
export function llamaBlock(options: LlamaBlockOptions): Block {
  const { at, sizes, epsilon, offset = 0, rotary, activation, bias = {}, window, causal = true } = options;
  const { headNorms, feedForward } = options;
  const { inputs = false, output: outputs = false, mlp = false } = bias;
  const { output, ...project } = projections(at, sizes, { inputs, output: outputs });
  const steps = softmaxSteps({ scale: sizes.D ** -0.5, output, causal, window });
  return serialBlock({
    attention: attention({ ...project, rotary, steps, ...(headNorms ? { headNorms } : {}) }),
    ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon, offset }),
    ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon, offset }),
    mlp: feedForward ?? gatedMlp(at, sizes, activation, { bias: mlp }),
    window,
  });
}
