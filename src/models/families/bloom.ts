import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { alibi, interpolatedSlopes } from '../../attention/positions/position-bias.ts';
import type { Queries } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { readEvenSizes } from '../parts/even-sizes.ts';
import { jointByGroup } from '../parts/joint-projection.ts';
import { plainMlp } from '../parts/mlp.ts';
import { vocabulary } from '../parts/vocabulary.ts';

export const family: DecoderFamily = {
  name: 'bloom',
  modelTypes: ['bloom'],
  title: 'BLOOM',
  source: '2211.05100',
  about: 'ALiBi, a norm over the embeddings, one joint projection ordered by head.',
  gguf: ['bloom'],
  build(c, checkpoint) {
    const sizes = readEvenSizes(c, {
      width: ['hidden_size', 'n_embed'],
      heads: ['n_head', 'num_attention_heads'],
      layers: ['n_layer', 'num_hidden_layers'],
      positions: 'seq_length',
    });
    const { L, H, D, M, V } = sizes;
    const F = c.int('n_inner', { min: 1, max: 1 << 22, default: 4 * M });
    const epsilon = c.number('layer_norm_epsilon', { default: 1e-5 });
    const tied = c.bool('tie_word_embeddings', { default: true });
    c.oneOf('apply_residual_connection_post_layernorm', [false], { default: false });
    // Sums without the biases of the last matrices, where it is used at all.
    c.oneOf('slow_but_exact', [false], { default: false });
    c.oneOf('skip_bias_add_qkv', [false], { default: false });
    // How the training software fused operations; a constant on the positions, which no softmax sees.
    c.ignore(['attention_softmax_in_fp32', 'bias_dropout_fusion', 'masked_softmax_fusion', 'skip_bias_add']);
    c.ignore(['offset_alibi', 'tokenizer_class']);
    ignoreHarmless(c);
    // The original release stores the same tensors without the first part of the name.
    const root = checkpoint.tensors.has('word_embeddings.weight') ? '' : 'transformer.';
    const embedding = `${root}word_embeddings`;
    const words = vocabulary({ V, M, embedding, output: tied ? embedding : 'lm_head' });
    const bias = alibi(sizes, interpolatedSlopes(H));
    return {
      family: 'bloom',
      sizes,
      ...words,
      embed: (ids, positions) =>
        layerNorm(words.embed(ids, positions), 'M', `${root}word_embeddings_layernorm`, { epsilon }),
      blocks: Array.from({ length: L }, (_, layer) => {
        const at = (name: string) => `${root}h.${layer}.${name}`;
        const output = (z: Queries) => linear(z, at('self_attention.dense'), { M }, { G: H, R: 1, D }, { bias: true });
        return serialBlock({
          attention: attention({
            ...jointByGroup(at('self_attention.query_key_value'), sizes, { bias: true }),
            bias,
            steps: softmaxSteps({ scale: D ** -0.5, output }),
          }),
          ln1: (x) => layerNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => layerNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp: plainMlp({ up: at('mlp.dense_h_to_4h'), down: at('mlp.dense_4h_to_h') }, { F, M }, 'gelu_new'),
        });
      }),
      norm: (x) => layerNorm(x, 'M', `${root}ln_f`, { epsilon }),
      ...(tied ? { tiedTensors: ['lm_head.weight'] } : {}),
    };
  },
};
