import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { llamaBlock } from '../parts/llama-block.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'gemma',
  modelTypes: ['gemma'],
  title: 'Gemma',
  source: '2403.08295',
  about: 'Llama with embeddings scaled by √M, norms stored minus one, a gated GELU and a head width of its own.',
  gguf: ['gemma'],
  build(c) {
    const sizes = readSizes(c);
    const norm = { epsilon: c.number('rms_norm_eps', { default: 1e-6 }), offset: 1 };
    const turn = rotary(readRope(c, sizes), sizes.D);
    const projected = c.bool('attention_bias', { default: false });
    const named = c.oneOf('hidden_act', activationNames, { default: 'gelu_pytorch_tanh' });
    // The releases say "gelu" and mean its tanh approximation.
    const activation = named === 'gelu' ? 'gelu_pytorch_tanh' : named;
    c.oneOf('hidden_activation', ['gelu_pytorch_tanh'], { default: undefined });
    const tied = c.bool('tie_word_embeddings', { default: true });
    c.oneOf('use_bidirectional_attention', [false], { default: false });
    ignoreHarmless(c);
    const bias = { inputs: projected, output: projected };
    return standardDecoder({
      family: 'gemma',
      sizes,
      ...norm,
      tied,
      embeddingScale: sizes.M ** 0.5,
      block: (_, at) => llamaBlock({ at, sizes, ...norm, rotary: turn, activation, bias }),
    });
  },
};
