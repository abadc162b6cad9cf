import { attention } from '../../attention/attention.ts';
import { clippedProjections } from '../../attention/clipped-projections.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { alibi, interpolatedSlopes } from '../../attention/positions/position-bias.ts';
import type { Queries, Stream } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { ConfigReader } from '../../load/config.ts';
import { dot, pick, type Tensor, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { readEvenSizes } from '../parts/even-sizes.ts';
import { plainMlp } from '../parts/mlp.ts';
import { vocabulary } from '../parts/vocabulary.ts';

/** What `attn_config` says; its defaults where the file has none. */
function readAttention(c: ConfigReader, D: number) {
  const usual = { limit: undefined, scale: D ** -0.5, most: 8 };
  const own = c.object('attn_config');
  if (!own) return usual;
  own.oneOf('attn_type', ['multihead_attention'], { default: 'multihead_attention' });
  own.oneOf('alibi', [true], { default: true });
  own.oneOf('qk_ln', [false], { default: false });
  own.oneOf('prefix_lm', [false], { default: false });
  own.oneOf('attn_uses_sequence_id', [false], { default: false });
  own.ignore(['attn_impl', 'model_type', 'is_encoder_decoder', 'attn_dropout']);
  ignoreHarmless(own);
  return {
    // 0 is no limit.
    limit: own.number('clip_qkv', { default: undefined }) || undefined,
    scale: own.number('softmax_scale', { min: 1e-9, default: usual.scale }),
    most: own.int('alibi_bias_max', { min: 1, max: 64, default: usual.most }),
  };
}

export const family: DecoderFamily = {
  name: 'mpt',
  modelTypes: ['mpt'],
  title: 'MPT',
  source: 'databricks.com/blog/mpt-7b',
  about: 'ALiBi, LayerNorm without biases, one joint projection whose values may be clipped.',
  gguf: ['mpt'],
  build(c) {
    const sizes = readEvenSizes(c, {
      width: ['d_model'],
      heads: ['n_heads'],
      layers: ['n_layers'],
      positions: 'max_seq_len',
    });
    const { L, H, D, M, V } = sizes;
    const F = M * c.int('expansion_ratio', { min: 1, max: 64, default: 4 });
    const { limit, scale, most } = readAttention(c, D);
    const epsilon = c.number('layer_norm_epsilon', { default: 1e-5 });
    const tied = c.bool('tie_word_embeddings', { default: true });
    c.oneOf('no_bias', [true], { default: true });
    c.oneOf('norm_type', ['low_precision_layernorm', 'layernorm'], { default: 'low_precision_layernorm' });
    if (c.has('logit_scale')) throw c.error('logit_scale', 'no scale on the logits');
    // Learned positions are for models without ALiBi; the fraction is of gradients.
    c.ignore(['learned_pos_emb', 'embedding_fraction', 'emb_pdrop', 'init_device', 'init_config', 'verbose']);
    c.ignore(['tokenizer_name', 'tokenizer_class']);
    ignoreHarmless(c);
    const embedding = 'transformer.wte';
    const bias = alibi(sizes, interpolatedSlopes(H, most));
    return {
      family: 'mpt',
      sizes,
      ...vocabulary({ V, M, embedding, output: tied ? embedding : 'lm_head' }),
      blocks: Array.from({ length: L }, (_, layer) => {
        const at = (name: string) => `transformer.blocks.${layer}.${name}`;
        const heads = { G: H, R: 1, D };
        const joint = (x: Tensor<'M'>, part: 0 | 1 | 2) =>
          dot(x, pick(weight(at('attn.Wqkv.weight'), { J: 3, ...heads, M }), 'J', part), 'M');
        const keys = (part: 1 | 2) => (x: Tensor<'B' | 'S' | 'M'>) =>
          pick(joint(x as never, part) as unknown as Tensor<'B' | 'S' | 'G' | 'R' | 'D'>, 'R', 0);
        const { output, ...project } = clippedProjections(
          {
            q: (x) => joint(x as never, 0) as unknown as Queries,
            k: keys(1),
            v: keys(2),
            output: (z) => linear(z, at('attn.out_proj'), { M }, heads),
          },
          limit,
        );
        const norm = (name: string) => (x: Stream) => layerNorm(x, 'M', at(name), { epsilon, bias: false });
        return serialBlock({
          attention: attention({ ...project, bias, steps: softmaxSteps({ scale, output }) }),
          ln1: norm('norm_1'),
          ln2: norm('norm_2'),
          mlp: plainMlp({ up: at('ffn.up_proj'), down: at('ffn.down_proj') }, { F, M }, 'gelu', { bias: false }),
        });
      }),
      norm: (x) => layerNorm(x, 'M', 'transformer.norm_f', { epsilon, bias: false }),
      ...(tied ? { tiedTensors: ['lm_head.weight'] } : {}),
    };
  },
};
