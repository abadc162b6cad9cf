import { gated } from '../../attention/mechanisms/gated-attention.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { rmsNorm } from '../../layers/norms.ts';
import type { ConfigReader } from '../../load/config.ts';
import { readRope } from '../../load/rope-config.ts';
import type { Block, Decoder, DecoderSizes } from '../decoder.ts';
import { serialBlock } from './blocks.ts';
import { ignoreHarmless, readSizes } from './config.ts';
import { type DeltaNetOptions, deltaNet } from './delta-net.ts';
import { gatedMlp, type Mlp } from './mlp.ts';
import { standardDecoder } from './standard.ts';

export interface QwenHybridOptions {
  readonly family: string;
  readonly packed: DeltaNetOptions['packed'];
  /** Reads what it needs of the configuration; gives the feed-forward part of a layer where it is not the plain one. */
  readonly feedForward?: (
    c: ConfigReader,
    sizes: DecoderSizes,
  ) => (layer: number, at: (name: string) => string) => Mlp | undefined;
}

/** Qwen3-Next and Qwen3.5: three layers of gated delta nets to one of gated attention; norms stored minus one. */
export function qwenHybrid(c: ConfigReader, { family, packed, feedForward }: QwenHybridOptions): Decoder {
  const width = { min: 1, max: 1 << 14 };
  const plain = readSizes(c);
  const sizes = { ...plain, D: c.int('head_dim', { ...width, default: 256 }) };
  const { M, L } = sizes;
  const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
  const turn = rotary(readRope(c, { ...sizes, partial: 0.25 }), sizes.D);
  const types = c.list('layer_types', ['linear_attention', 'full_attention'], { length: L, default: undefined });
  const every = c.int('full_attention_interval', { min: 1, default: 4 });
  const isLinear = (layer: number) => (types ? types[layer] === 'linear_attention' : (layer + 1) % every !== 0);
  const keyHeads = c.int('linear_num_key_heads', { ...width, default: 16 });
  const valueHeads = c.int('linear_num_value_heads', { ...width, default: 32 });
  if (valueHeads % keyHeads !== 0)
    throw c.error('linear_num_value_heads', `a multiple of linear_num_key_heads, ${keyHeads}`);
  const linear = {
    ...{ M, keyHeads, valueHeads },
    keyWidth: c.int('linear_key_head_dim', { ...width, default: 128 }),
    valueWidth: c.int('linear_value_head_dim', { ...width, default: 128 }),
    taps: c.int('linear_conv_kernel_dim', { min: 1, max: 256, default: 4 }),
  };
  // Of the convolution as well, which knows no other.
  const activation = c.oneOf('hidden_act', ['silu', 'swish'], { default: 'silu' });
  const bias = c.bool('attention_bias', { default: false });
  c.oneOf('attn_output_gate', [true], { default: true });
  const tied = c.bool('tie_word_embeddings', { default: false });
  const fed = feedForward?.(c, sizes) ?? (() => undefined);
  // Precision of a cache, and heads that predict further tokens.
  c.ignore(['mamba_ssm_dtype', 'mtp_num_hidden_layers', 'mtp_use_dedicated_embeddings']);
  ignoreHarmless(c);
  const norm = { epsilon, offset: 1 };
  const softmax = gated({
    position: 'sdpa-output',
    layout: 'query-head',
    headNorms: { offset: 1 },
    bias: { inputs: bias, output: bias },
  });
  const block = (layer: number, at: (name: string) => string): Block =>
    serialBlock({
      ...(isLinear(layer)
        ? {
            attention: deltaNet({ at, sizes: linear, epsilon, packed }),
            keyValueHeads: valueHeads,
            rows: 'none' as const,
          }
        : {
            attention: softmax.attention({
              ...{ at, sizes, layer, layers: L, epsilon, context: sizes.maxPositions },
              position: { rotary: turn },
            }),
          }),
      ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), norm),
      ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), norm),
      mlp: fed(layer, at) ?? gatedMlp(at, sizes, activation),
    });
  return { ...standardDecoder({ family, sizes, ...norm, tied, block }), ignoredTensors: /\.inv_freq$|^mtp\./ };
}
