import { rotary } from '../../attention/rope-frequencies.ts';
import { softmaxSteps } from '../../attention/softmax.ts';
import { readRope } from '../../load/rope-config.ts';
import type { Family } from '../family.ts';
import { activationNames } from '../parts/activations.ts';
import { attention } from '../parts/attention.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { rmsNorm } from '../parts/norms.ts';
import { projections } from '../parts/projections.ts';
import { standardDecoder } from '../parts/standard.ts';

/** Llama 1–3.x and what is stored like it (SmolLM2, TinyLlama, DeepSeek-R1-Distill-Llama): RMSNorm, RoPE, grouped heads, SwiGLU. */
export const family: Family = {
  name: 'llama',
  modelTypes: ['llama'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const bias = c.bool('attention_bias', { default: false });
    const mlpBias = c.bool('mlp_bias', { default: false });
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
      block(_, at) {
        const { q, k, v, output } = projections(at, sizes, { inputs: bias, output: bias });
        return serialBlock({
          attention: attention({ q, k, v, rotary: turn, steps: softmaxSteps({ scale: sizes.D ** -0.5, output }) }),
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp: gatedMlp(at, sizes, activation, { bias: mlpBias }),
        });
      },
    });
  },
};
