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

/** Qwen2 and Qwen2.5, 2407.10671: Llama with biases on queries, keys and values; upper layers may have a window. */
export const family: Family = {
  name: 'qwen2',
  modelTypes: ['qwen2'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const windows = readQwenWindows(c, sizes.L);
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    c.oneOf('use_mrope', [false], { default: false });
    ignoreHarmless(c);
    return standardDecoder({
      family: 'qwen2',
      sizes,
      epsilon,
      tied,
      block(layer, at) {
        const { q, k, v, output } = projections(at, sizes, { inputs: true, output: false });
        const window = windows[layer];
        const view = window === undefined ? {} : { window };
        return serialBlock({
          attention: attention({
            q,
            k,
            v,
            rotary: turn,
            steps: softmaxSteps({ scale: sizes.D ** -0.5, ...view, output }),
          }),
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp: gatedMlp(at, sizes, activation),
          window,
        });
      },
    });
  },
};
