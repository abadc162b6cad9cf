import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import type { Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { layerNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { plainMlp } from '../parts/mlp.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'starcoder2',
  modelTypes: ['starcoder2'],
  title: 'StarCoder 2',
  source: '2402.19173',
  about: 'Grouped heads with RoPE and a sliding window in every layer, LayerNorm, a plain feed-forward part, biases.',
  gguf: ['starcoder2'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('norm_epsilon', { default: 1e-5 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const window = c.int('sliding_window', { min: 1, default: undefined });
    const bias = c.bool('use_bias', { default: true });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'gelu_pytorch_tanh' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    // The releases name choices that the family does not have.
    c.oneOf('mlp_type', ['default'], { default: undefined });
    c.oneOf('norm_type', ['layer_norm'], { default: undefined });
    c.oneOf('layer_norm_epsilon', [epsilon], { default: undefined });
    c.oneOf('scale_attn_weights', [true], { default: true });
    // Precision of the softmax, which is single here.
    c.ignore(['attention_softmax_in_fp32', 'scale_attention_softmax_in_fp32']);
    ignoreHarmless(c);
    const over = (name: string) => (x: Stream) => layerNorm(x, 'M', name, { epsilon });
    return standardDecoder({
      family: 'starcoder2',
      sizes,
      epsilon,
      tied,
      norm: over('model.norm'),
      block(_, at) {
        const { output, ...project } = projections(at, sizes, { inputs: bias, output: bias });
        const steps = softmaxSteps({ scale: sizes.D ** -0.5, window, output });
        return serialBlock({
          attention: attention({ ...project, rotary: turn, steps }),
          ln1: over(at('input_layernorm')),
          ln2: over(at('post_attention_layernorm')),
          mlp: plainMlp({ up: at('mlp.c_fc'), down: at('mlp.c_proj') }, sizes, activation, { bias }),
          window,
        });
      },
    });
  },
};
