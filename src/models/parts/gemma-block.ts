import type { AttentionLayer } from '../../attention/layer.ts';
import type { Stream } from '../../attention/steps.ts';
import type { ActivationName } from '../../layers/activations.ts';
import { type NormOptions, rmsNorm } from '../../layers/norms.ts';
import type { Block, DecoderSizes } from '../decoder.ts';
import { sandwichBlock } from './blocks.ts';
import { gatedMlp } from './mlp.ts';

export interface GemmaBlockOptions {
  readonly at: (name: string) => string;
  readonly sizes: DecoderSizes & { readonly F: number };
  readonly norm: NormOptions;
  readonly attention: AttentionLayer;
  readonly activation: ActivationName;
  /** Sliding window in tokens; undefined for full attention. */
  readonly window: number | undefined;
}

/** The block of Gemma 2 and 3: RMSNorms before and after attention and the gated feed-forward part. */
export function gemmaBlock({ at, sizes, norm, attention, activation, window }: GemmaBlockOptions): Block {
  const over = (name: string) => (x: Stream) => rmsNorm(x, 'M', at(name), norm);
  return sandwichBlock({
    attention,
    ln1: over('input_layernorm'),
    ln1Post: over('post_attention_layernorm'),
    ln2: over('pre_feedforward_layernorm'),
    ln2Post: over('post_feedforward_layernorm'),
    mlp: gatedMlp(at, sizes, activation),
    window,
  });
}
