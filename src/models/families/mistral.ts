import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { llamaBlock } from '../parts/llama-block.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'mistral',
  modelTypes: ['mistral'],
  title: 'Mistral',
  source: '2310.06825',
  about: 'Llama with a sliding window in every layer (or none).',
  gguf: ['llama'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const window = c.int('sliding_window', { min: 1, default: undefined });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    ignoreHarmless(c);
    return standardDecoder({
      family: 'mistral',
      sizes,
      epsilon,
      tied,
      block: (_, at) => llamaBlock({ at, sizes, epsilon, rotary: turn, activation, window }),
    });
  },
};
