import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import type { Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { DecoderFamily } from '../family.ts';
import { parallelBlock } from '../parts/blocks.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { readEvenSizes } from '../parts/even-sizes.ts';
import { plainMlp } from '../parts/mlp.ts';
import { vocabulary } from '../parts/vocabulary.ts';

export const family: DecoderFamily = {
  name: 'gptj',
  modelTypes: ['gptj'],
  title: 'GPT-J',
  source: 'github.com/kingoflolz/mesh-transformer-jax',
  about: 'Both parts read one norm in parallel, RoPE turns neighbours in part of each head.',
  build(c) {
    const sizes = readEvenSizes(c, {
      width: ['n_embd'],
      heads: ['n_head'],
      layers: ['n_layer'],
      positions: 'n_positions',
    });
    const { L, D, M, V } = sizes;
    const F = c.int('n_inner', { min: 1, max: 1 << 22, default: 4 * M });
    const turning = c.int('rotary_dim', { min: 2, max: D, default: 64 });
    if (turning % 2 !== 0 || turning > D) throw c.error('rotary_dim', `an even number of at most the head width, ${D}`);
    const turn = { ...rotary({ kind: 'default', theta: 10_000, partial: 1 }, turning), interleaved: true };
    const epsilon = c.number('layer_norm_epsilon', { default: 1e-5 });
    const activation = c.oneOf('activation_function', activationNames, { default: 'gelu_new' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    c.oneOf('rotary', [true], { default: true });
    c.oneOf('scale_attn_weights', [true], { default: true });
    c.ignore(['n_ctx', 'tokenizer_class']);
    ignoreHarmless(c);
    const embedding = 'transformer.wte';
    return {
      family: 'gptj',
      sizes,
      ...vocabulary({ V, M, embedding, output: tied ? embedding : 'lm_head', outputBias: 'lm_head.bias' }),
      blocks: Array.from({ length: L }, (_, layer) => {
        const at = (name: string) => `transformer.h.${layer}.${name}`;
        const names = { folder: 'attn', output: 'out_proj' };
        const { output, ...project } = projections(at, sizes, { inputs: false, output: false }, names);
        const norm = (x: Stream) => layerNorm(x, 'M', at('ln_1'), { epsilon });
        return parallelBlock({
          attention: attention({ ...project, rotary: turn, steps: softmaxSteps({ scale: D ** -0.5, output }) }),
          ln1: norm,
          ln2: norm,
          mlp: plainMlp({ up: at('mlp.fc_in'), down: at('mlp.fc_out') }, { F, M }, activation),
        });
      }),
      norm: (x) => layerNorm(x, 'M', 'transformer.ln_f', { epsilon }),
      // Causal masks that early releases stored as tensors.
      ignoredTensors: /\.attn\.(bias|masked_bias)$/,
      ...(tied ? { tiedTensors: ['lm_head.weight'] } : {}),
    };
  },
};
