import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { projections } from '../../attention/projections.ts';
import type { Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm, simpleLayerNorm } from '../../layers/norms.ts';
import { add, gather, rename, type Tensor, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { postNormBlock, serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { readEvenSizes } from '../parts/even-sizes.ts';
import { plainMlp } from '../parts/mlp.ts';
import { vocabulary } from '../parts/vocabulary.ts';

/** The first two rows of the table of positions are of no position. */
const before = 2;

export const family: DecoderFamily = {
  name: 'opt',
  modelTypes: ['opt'],
  title: 'OPT, Galactica',
  source: '2205.01068',
  about: 'Learned positions, LayerNorm before both parts (after them in the 350M release), ReLU.',
  build(c, checkpoint) {
    const sizes = readEvenSizes(c, {
      width: ['hidden_size'],
      heads: ['num_attention_heads'],
      layers: ['num_hidden_layers'],
      positions: 'max_position_embeddings',
    });
    const { L, D, M, V, maxPositions: P } = sizes;
    const F = c.int('ffn_dim', { min: 1, max: 1 << 22 });
    // The 350M release has narrower token vectors than its stream.
    const W = c.int('word_embed_proj_dim', { min: 1, max: 1 << 20, default: M });
    const first = c.bool('do_layer_norm_before', { default: true });
    const removed = c.bool('_remove_final_layer_norm', { default: false });
    const last = first && !removed;
    const bias = c.bool('enable_bias', { default: true });
    const learned = c.bool('layer_norm_elementwise_affine', { default: true });
    const activation = c.oneOf('activation_function', activationNames, { default: 'relu' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    c.ignore(['init_std', 'layerdrop', 'prefix', 'tokenizer_class']);
    ignoreHarmless(c);
    // The original release stores the same tensors without the first part of the name.
    const root = checkpoint.tensors.has('decoder.embed_tokens.weight') ? 'decoder.' : 'model.decoder.';
    const embedding = `${root}embed_tokens`;
    const words = vocabulary({ V, M: W, embedding, output: tied ? embedding : 'lm_head' });
    const epsilon = 1e-5;
    const norm = (name: string) => (x: Stream) =>
      learned ? layerNorm(x, 'M', name, { epsilon }) : simpleLayerNorm(x, 'M', { epsilon });
    // The narrow vectors have an axis W of their own.
    const widen = (x: Stream) => linear(rename(x, 'M', 'W'), `${root}project_in`, { M }, { W });
    const narrow = (x: Stream) => rename(linear(x, `${root}project_out`, { W }, { M }), 'W', 'M');
    return {
      family: 'opt',
      sizes,
      embeddedPositions: P,
      embed(ids, positions) {
        const rows = words.embed(ids, positions);
        const table = weight(`${root}embed_positions.weight`, { P: P + before, M });
        const places = gather(table, add(positions as Tensor<'T'>, before), 'P');
        return add(W === M ? rows : widen(rows), places as never);
      },
      blocks: Array.from({ length: L }, (_, layer) => {
        const at = (name: string) => `${root}layers.${layer}.${name}`;
        const { output, ...project } = projections(at, sizes, { inputs: bias, output: bias }, { output: 'out_proj' });
        return (first ? serialBlock : postNormBlock)({
          attention: attention({ ...project, steps: softmaxSteps({ scale: D ** -0.5, output }) }),
          ln1: norm(at('self_attn_layer_norm')),
          ln2: norm(at('final_layer_norm')),
          mlp: plainMlp({ up: at('fc1'), down: at('fc2') }, { F, M }, activation, { bias }),
        });
      }),
      norm: last ? norm(`${root}final_layer_norm`) : (x) => x,
      unembed: (x) => words.unembed(W === M ? x : narrow(x)),
      ...(tied ? { tiedTensors: ['lm_head.weight'] } : {}),
    };
  },
};
