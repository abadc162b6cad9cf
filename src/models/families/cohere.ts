import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import type { Keys, Queries, Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { layerNorm, simpleLayerNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import { multiply, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { parallelBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'cohere',
  modelTypes: ['cohere'],
  title: 'Command R, Aya 23',
  source: '2405.15032',
  about:
    'Both parts read one LayerNorm without bias, RoPE turns neighbours, logits are scaled; queries and keys may be normed by head.',
  gguf: ['command-r'],
  build(c) {
    const sizes = readSizes(c);
    const { H, G, D } = sizes;
    const epsilon = c.number('layer_norm_eps', { default: 1e-5 });
    const turn = { ...rotary(readRope(c, { ...sizes, theta: 5e5 }), D), interleaved: true };
    const projected = c.bool('attention_bias', { default: false });
    const bias = { inputs: projected, output: projected };
    const normed = c.bool('use_qk_norm', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    const factor = c.number('logit_scale', { default: 0.0625 });
    // The length that serving software allows.
    c.ignore(['model_max_length']);
    ignoreHarmless(c);
    const over = (name: string) => (x: Stream) => layerNorm(x, 'M', name, { epsilon, bias: false });
    return standardDecoder({
      family: 'cohere',
      sizes,
      epsilon,
      tied,
      norm: over('model.norm'),
      logits: (x) => multiply(x, factor),
      block(_, at) {
        const { output, ...project } = projections(at, sizes, bias);
        // Every head has weights of its own.
        const headNorms = {
          q: (x: Queries) =>
            multiply(simpleLayerNorm(x, 'D', { epsilon }), weight(at('self_attn.q_norm.weight'), { G, R: H / G, D })),
          k: (x: Keys) =>
            multiply(simpleLayerNorm(x, 'D', { epsilon }), weight(at('self_attn.k_norm.weight'), { G, D })),
        };
        const steps = softmaxSteps({ scale: D ** -0.5, output });
        return parallelBlock({
          attention: attention({ ...project, ...(normed ? { headNorms } : {}), rotary: turn, steps }),
          ln1: over(at('input_layernorm')),
          ln2: over(at('input_layernorm')),
          mlp: gatedMlp(at, sizes, activation),
        });
      },
    });
  },
};
