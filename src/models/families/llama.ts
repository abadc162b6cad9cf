import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { llamaBlock } from '../parts/llama-block.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'llama',
  modelTypes: ['llama'],
  title: 'Llama 1–3.x, SmolLM2, TinyLlama, DeepSeek-R1-Distill-Llama',
  source: '2302.13971',
  about: 'RMSNorm, RoPE, grouped heads, SwiGLU.',
  gguf: ['llama'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const projected = c.bool('attention_bias', { default: false });
    const bias = { inputs: projected, output: projected, mlp: c.bool('mlp_bias', { default: false }) };
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    // SmolLM2's files say so of themselves.
    c.ignore(['is_llama_config']).oneOf('rope_interleaved', [false], { default: false });
    ignoreHarmless(c);
    return standardDecoder({
      family: 'llama',
      sizes,
      epsilon,
      tied,
      block: (_, at) => llamaBlock({ at, sizes, epsilon, rotary: turn, activation, bias }),
    });
  },
};
