import { rotary } from '../../attention/rope-frequencies.ts';
import { softmaxSteps } from '../../attention/softmax.ts';
import { readRope } from '../../load/rope-config.ts';
import type { Family } from '../family.ts';
import { activationNames } from '../parts/activations.ts';
import { attention } from '../parts/attention.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readQwenWindows, readSizes } from '../parts/config.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { rmsNorm } from '../parts/norms.ts';
import { projections } from '../parts/projections.ts';
import { standardDecoder } from '../parts/standard.ts';

/** Qwen3, 2505.09388: a norm over each query and key head before RoPE; a head width of its own. */
export const family: Family = {
  name: 'qwen3',
  modelTypes: ['qwen3'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const windows = readQwenWindows(c, sizes.L);
    const bias = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    ignoreHarmless(c);
    return standardDecoder({
      family: 'qwen3',
      sizes,
      epsilon,
      tied,
      block(layer, at) {
        const { q, k, v, output } = projections(at, sizes, { inputs: bias, output: bias });
        const window = windows[layer];
        const view = window === undefined ? {} : { window };
        const headNorms = {
          q: (x: Parameters<typeof output>[0]) => rmsNorm(x, 'D', at('self_attn.q_norm'), { epsilon }),
          k: (x: ReturnType<typeof k>) => rmsNorm(x, 'D', at('self_attn.k_norm'), { epsilon }),
        };
        const steps = softmaxSteps({ scale: sizes.D ** -0.5, ...view, output });
        return serialBlock({
          attention: attention({ q, k, v, headNorms, rotary: turn, steps }),
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp: gatedMlp(at, sizes, activation),
          window,
        });
      },
    });
  },
};
