import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import type { Queries, Stream } from '../../attention/steps.ts';
import { LoadError } from '../../error.ts';
import { activationNames } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import { add, dot, gather, pick, type Tensor, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { plainMlp } from '../parts/mlp.ts';
import { vocabulary } from '../parts/vocabulary.ts';

export const family: DecoderFamily = {
  name: 'gpt2',
  modelTypes: ['gpt2'],
  title: 'GPT-2',
  about: 'Learned positions, LayerNorm, one joint projection for queries, keys and values, matrices stored [in, out].',
  gguf: ['gpt2'],
  build(c, checkpoint) {
    const M = c.int('n_embd', { min: 1, max: 1 << 20 });
    const H = c.int('n_head', { min: 1, max: 1 << 14 });
    if (M % H !== 0) throw c.error('n_head', `a divisor of n_embd, ${M}`);
    const P = c.int('n_positions', { min: 1, default: 1024 });
    const sizes = {
      L: c.int('n_layer', { min: 1, max: 4096 }),
      H,
      G: H,
      D: M / H,
      M,
      V: c.int('vocab_size', { min: 1, max: 1 << 24 }),
      maxPositions: P,
    };
    const F = c.int('n_inner', { min: 1, default: 4 * M });
    const epsilon = c.number('layer_norm_epsilon', { default: 1e-5 });
    const activation = c.oneOf('activation_function', activationNames, { default: 'gelu_new' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    c.oneOf('scale_attn_weights', [true], { default: true });
    c.oneOf('scale_attn_by_inverse_layer_idx', [false], { default: false });
    c.oneOf('add_cross_attention', [false], { default: false });
    // Changes the order of operations in half precision only.
    c.ignore(['reorder_and_upcast_attn', 'n_ctx']);
    ignoreHarmless(c);
    // The original release stores the same tensors without the first part of the name.
    const root = checkpoint.tensors.has('wte.weight') ? '' : 'transformer.';
    // The other way round, [3 · M, M], the axes M, 3, H, D would fit as well.
    for (let layer = 0; layer < sizes.L; layer++) {
      const name = `${root}h.${layer}.attn.c_attn.weight`;
      const { shape } = checkpoint.tensors.get(name) ?? {};
      if (shape?.length === 2 && shape[0] !== M)
        throw new LoadError(
          `${checkpoint.provenance.source}: tensor ${name} has shape [${shape}], the configuration makes it [${M},${3 * M}]`,
        );
    }
    const words = vocabulary({ V: sizes.V, M, embedding: `${root}wte`, output: tied ? `${root}wte` : 'lm_head' });
    return {
      family: 'gpt2',
      sizes,
      ...words,
      embeddedPositions: P,
      embed: (ids, positions) => {
        const places = gather(weight(`${root}wpe.weight`, { P, M }), positions as Tensor<'T'>, 'P');
        return add(words.embed(ids, positions), places as never);
      },
      blocks: Array.from({ length: sizes.L }, (_, layer) => {
        const at = (name: string) => `${root}h.${layer}.${name}`;
        const heads = { G: H, R: 1, D: sizes.D };
        const joint = (x: Tensor<'M'>, part: 0 | 1 | 2) =>
          add(
            dot(x, pick(weight(at('attn.c_attn.weight'), { M, J: 3, ...heads }), 'J', part), 'M'),
            pick(weight(at('attn.c_attn.bias'), { J: 3, ...heads }), 'J', part),
          );
        const keys = (part: 1 | 2) => (x: Tensor<'B' | 'S' | 'M'>) =>
          pick(joint(x as never, part) as unknown as Tensor<'B' | 'S' | 'G' | 'R' | 'D'>, 'R', 0);
        const output = (z: Queries) => linear(z, at('attn.c_proj'), { M }, heads, { bias: true, inputFirst: true });
        return serialBlock({
          attention: attention({
            q: (x: Stream) => joint(x as never, 0) as unknown as Queries,
            k: keys(1),
            v: keys(2),
            steps: softmaxSteps({ scale: sizes.D ** -0.5, output }),
          }),
          ln1: (x) => layerNorm(x, 'M', at('ln_1'), { epsilon }),
          ln2: (x) => layerNorm(x, 'M', at('ln_2'), { epsilon }),
          mlp: plainMlp({ up: at('mlp.c_fc'), down: at('mlp.c_proj') }, { F, M }, activation, { inputFirst: true }),
        });
      }),
      norm: (x) => layerNorm(x, 'M', `${root}ln_f`, { epsilon }),
      // Causal masks that early releases stored as tensors.
      ignoredTensors: /\.attn\.(bias|masked_bias)$/,
      ...(tied ? { tiedTensors: ['lm_head.weight'] } : {}),
    };
  },
};
