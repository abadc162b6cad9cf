import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import type { Keys, Queries, Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { layerNorm, simpleLayerNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import { concat, expand, multiply, rename, split, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { parallelBlock, serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { standardDecoder } from '../parts/standard.ts';

/** Weights of the norms of a layer's heads, one stored tensor for each head: [H, D]. */
function headWeights(name: string, heads: number, D: number) {
  const one = (head: number) => expand(weight(`${name}.norms.${head}.weight`, { D }), { H: 1 });
  return concat(
    Array.from({ length: heads }, (_, head) => one(head)),
    'H',
  );
}

export const family: DecoderFamily = {
  name: 'stablelm',
  modelTypes: ['stablelm'],
  title: 'StableLM',
  source: '2402.17834',
  about: 'LayerNorm, RoPE on part of each head, SwiGLU; the 12B release has parallel parts and a norm for each head.',
  gguf: ['stablelm'],
  build(c) {
    const sizes = readSizes(c);
    const { H, G, D, M } = sizes;
    if (H * D !== M) throw c.error('head_dim', `hidden_size / num_attention_heads, ${M / H}`);
    const epsilon = c.number('layer_norm_eps', { default: 1e-5 });
    const turn = rotary(readRope(c, { ...sizes, partial: 0.25 }), D);
    const bias = c.bool('use_qkv_bias', { default: false });
    const normed = c.bool('qk_layernorm', { default: false });
    const parallel = c.bool('use_parallel_residual', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    c.ignore(['tokenizer_class']);
    ignoreHarmless(c);
    return standardDecoder({
      family: 'stablelm',
      sizes,
      epsilon,
      tied,
      norm: (x) => layerNorm(x, 'M', 'model.norm', { epsilon }),
      block(_, at) {
        const { output, ...project } = projections(at, sizes, { inputs: bias, output: false });
        const queryWeights = () => split(headWeights(at('self_attn.q_layernorm'), H, D), 'H', { G, R: H / G });
        const keyWeights = () => rename(headWeights(at('self_attn.k_layernorm'), G, D), 'H', 'G');
        const headNorms = {
          q: (x: Queries) => multiply(simpleLayerNorm(x, 'D', { epsilon }), queryWeights()),
          k: (x: Keys) => multiply(simpleLayerNorm(x, 'D', { epsilon }), keyWeights()),
        };
        const norm = (name: string) => (x: Stream) => layerNorm(x, 'M', at(name), { epsilon });
        const parts = {
          attention: attention({
            ...project,
            ...(normed ? { headNorms } : {}),
            rotary: turn,
            steps: softmaxSteps({ scale: D ** -0.5, output }),
          }),
          ln1: norm('input_layernorm'),
          mlp: gatedMlp(at, sizes, activation),
        };
        return parallel
          ? parallelBlock({ ...parts, ln2: parts.ln1 })
          : serialBlock({ ...parts, ln2: norm('post_attention_layernorm') });
      },
    });
  },
};
