import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readQwenWindows, readSizes } from '../parts/config.ts';
import { llamaBlock } from '../parts/llama-block.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'qwen2',
  modelTypes: ['qwen2'],
  title: 'Qwen2, Qwen2.5',
  source: '2407.10671',
  about: 'Llama with biases on queries, keys and values; upper layers may have a window.',
  gguf: ['qwen2'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const windows = readQwenWindows(c, sizes.L);
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    c.oneOf('use_mrope', [false], { default: false });
    ignoreHarmless(c);
    const shared = { sizes, epsilon, rotary: turn, activation, bias: { inputs: true } };
    return standardDecoder({
      family: 'qwen2',
      sizes,
      epsilon,
      tied,
      block: (layer, at) => llamaBlock({ ...shared, at, window: windows[layer] }),
    });
  },
};
