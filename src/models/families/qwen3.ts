import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readQwenWindows, readSizes } from '../parts/config.ts';
import { headRmsNorms } from '../parts/head-norms.ts';
import { llamaBlock } from '../parts/llama-block.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'qwen3',
  modelTypes: ['qwen3'],
  title: 'Qwen3',
  source: '2505.09388',
  about: 'A norm over each query and key head before RoPE; a head width of its own.',
  gguf: ['qwen3'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const windows = readQwenWindows(c, sizes.L);
    const projected = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    ignoreHarmless(c);
    const shared = { sizes, epsilon, rotary: turn, activation, bias: { inputs: projected, output: projected } };
    return standardDecoder({
      family: 'qwen3',
      sizes,
      epsilon,
      tied,
      block(layer, at) {
        const headNorms = headRmsNorms(at, { epsilon });
        return llamaBlock({ ...shared, at, window: windows[layer], headNorms });
      },
    });
  },
};
