import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { type ActivationName, activationNames } from '../../layers/activations.ts';
import type { ConfigReader } from '../../load/config.ts';
import { readRope } from '../../load/rope-config.ts';
import type { Decoder, DecoderSizes } from '../decoder.ts';
import { ignoreHarmless, readSizes } from './config.ts';
import { headRmsNorms } from './head-norms.ts';
import { llamaBlock } from './llama-block.ts';
import type { Mlp } from './mlp.ts';
import { standardDecoder } from './standard.ts';

export interface Qwen3Options {
  readonly family: string;
  /** Window of each layer. */
  readonly windows: (c: ConfigReader, sizes: DecoderSizes) => (layer: number) => number | undefined;
  /** Feed-forward part of a layer, undefined for the gated one. Default: that in all layers. */
  readonly feedForward?: (
    c: ConfigReader,
    sizes: DecoderSizes,
    activation: ActivationName,
  ) => (layer: number, at: (name: string) => string) => Mlp | undefined;
}

/** Qwen3, 2505.09388: Llama's blocks with a norm over each query and key head before RoPE. */
export function qwen3Decoder(c: ConfigReader, { family, windows, feedForward }: Qwen3Options): Decoder {
  const sizes = readSizes(c);
  const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
  const turn = rotary(readRope(c, sizes), sizes.D);
  const window = windows(c, sizes);
  const projected = c.bool('attention_bias', { default: false });
  const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
  const fed = feedForward?.(c, sizes, activation);
  const tied = c.bool('tie_word_embeddings', { default: false });
  ignoreHarmless(c);
  const shared = { sizes, epsilon, rotary: turn, activation, bias: { inputs: projected, output: projected } };
  return standardDecoder({
    ...{ family, sizes, epsilon, tied },
    block(layer, at) {
      const headNorms = headRmsNorms(at, { epsilon });
      return llamaBlock({ ...shared, at, window: window(layer), headNorms, feedForward: fed?.(layer, at) });
    },
  });
}
