import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { olmoBlock } from '../parts/olmo-block.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'olmo2',
  modelTypes: ['olmo2'],
  title: 'OLMo 2',
  source: '2501.00656',
  about: 'Norms after attention and feed-forward instead of before, and over all query heads and all keys.',
  gguf: ['olmo2'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const bias = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    ignoreHarmless(c);
    return standardDecoder({
      family: 'olmo2',
      sizes,
      epsilon,
      tied,
      block: (_, at) => olmoBlock({ at, sizes, epsilon, rotary: turn, activation, bias }),
    });
  },
};
