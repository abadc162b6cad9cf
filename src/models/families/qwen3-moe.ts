import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { headRmsNorms } from '../parts/head-norms.ts';
import { llamaBlock } from '../parts/llama-block.ts';
import { readQwenExperts } from '../parts/qwen-experts.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'qwen3_moe',
  modelTypes: ['qwen3_moe'],
  title: 'Qwen3 mixtures',
  source: '2505.09388',
  about: 'Qwen3 with experts for the feed-forward part of all layers, or of some.',
  gguf: ['qwen3moe'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    // The window is that of all layers or of none, whatever max_window_layers says.
    const windowed = c.bool('use_sliding_window', { default: false });
    const written = c.int('sliding_window', { min: 1, default: 4096 });
    const window = windowed ? written : undefined;
    c.ignore(['max_window_layers']);
    const projected = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const experts = readQwenExperts(c, sizes, activation, { chosen: 8, normed: false });
    const tied = c.bool('tie_word_embeddings', { default: false });
    ignoreHarmless(c);
    const shared = { sizes, epsilon, rotary: turn, activation, bias: { inputs: projected, output: projected } };
    return standardDecoder({
      family: 'qwen3_moe',
      sizes,
      epsilon,
      tied,
      block(layer, at) {
        const headNorms = headRmsNorms(at, { epsilon });
        return llamaBlock({ ...shared, at, window, headNorms, feedForward: experts(layer, at) });
      },
    });
  },
};
