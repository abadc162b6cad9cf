import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { rmsNorm } from '../../layers/norms.ts';
import type { ConfigReader } from '../../load/config.ts';
import { type Rope, readRope } from '../../load/rope-config.ts';
import type { Family } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { latentAttention } from '../parts/latent-attention.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { expert, expertNames, routedExperts } from '../parts/routed-experts.ts';
import { readSigmoidRouter } from '../parts/sigmoid-router.ts';
import { standardDecoder } from '../parts/standard.ts';

/** DeepSeek-V3, 2412.19437: keys and values from one narrow latent, many small experts beside one that every token uses. */
export const family: Family = {
  name: 'deepseek_v3',
  modelTypes: ['deepseek_v3'],
  build(c) {
    const { sizes, still, turning, values } = readLatentSizes(c);
    const { M, H, L, D } = sizes;
    const latents = {
      queryLatent: c.isNull('q_lora_rank') ? undefined : c.int('q_lora_rank', { min: 1, default: 1536 }),
      keyValueLatent: c.int('kv_lora_rank', { min: 1 }),
    };
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const rope = readRope(c, sizes);
    const interleaved = c.bool('rope_interleave', { default: true });
    const turn = { ...rotary(rope, turning), interleaved };
    const scale = D ** -0.5 * temperature(rope);
    const bias = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const dense = c.int('first_k_dense_replace', { default: 3 });
    const F = c.int('moe_intermediate_size', { min: 1, max: 1 << 22 });
    const sharedF = F * c.int('n_shared_experts', { min: 1, max: 4096, default: 1 });
    for (const key of ['n_group', 'topk_group']) c.int(key, { min: 1 });
    const { E, shares } = readSigmoidRouter(c, { experts: 256, chosen: 8, scale: 2.5 });
    c.oneOf('scoring_func', ['sigmoid'], { default: 'sigmoid' });
    c.oneOf('topk_method', ['noaux_tc'], { default: 'noaux_tc' });
    c.oneOf('moe_layer_freq', [1], { default: 1 });
    const tied = c.bool('tie_word_embeddings', { default: false });
    const extra = c.int('num_nextn_predict_layers', { max: 4096, default: 1 });
    // How it was trained.
    c.ignore(['ep_size', 'seq_aux', 'aux_loss_alpha']);
    ignoreHarmless(c);
    const decoder = standardDecoder({
      family: 'deepseek_v3',
      sizes,
      epsilon,
      tied,
      block: (layer, at) =>
        serialBlock({
          attention: latentAttention({
            ...{ at, M, H, still, turning, values, scale, bias },
            ...latents,
            rotary: turn,
          }),
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp:
            layer < dense
              ? gatedMlp(at, sizes, activation)
              : routedExperts({
                  ...{ M, F, E, activation, router: at('mlp.gate') },
                  expert: (index) => expertNames(at(`mlp.experts.${index}`)),
                  shares: shares(at),
                  shared: (x) => expert(x, expertNames(at('mlp.shared_experts')), { F: sharedF, M }, activation),
                }),
        }),
    });
    // Layers after the last predict further tokens; they have no part in this model's.
    const further = Array.from({ length: extra }, (_, i) => L + i).join('|');
    const ignoredTensors = new RegExp(
      `\\.rotary_emb\\.inv_freq$${extra > 0 ? `|^model\\.layers\\.(${further})\\.` : ''}`,
    );
    return { ...decoder, ignoredTensors };
  },
};

/** Sizes where heads are joined of two parts; D is the width of queries and keys. */
function readLatentSizes(c: ConfigReader) {
  const width = { min: 1, max: 1 << 14 };
  const H = c.int('num_attention_heads', width);
  c.int('num_key_value_heads', { min: H, max: H, default: H });
  const still = c.int('qk_nope_head_dim', width);
  const turning = c.int('qk_rope_head_dim', width);
  if (turning % 2 !== 0) throw c.error('qk_rope_head_dim', 'an even number');
  const values = c.int('v_head_dim', width);
  const D = still + turning;
  c.int('qk_head_dim', { min: D, max: D, default: D });
  c.int('head_dim', { min: turning, max: turning, default: turning });
  const sizes = {
    ...{ H, G: H, D },
    M: c.int('hidden_size', { min: 1, max: 1 << 20 }),
    L: c.int('num_hidden_layers', { min: 1, max: 4096 }),
    V: c.int('vocab_size', { min: 1, max: 1 << 24 }),
    F: c.int('intermediate_size', { min: 1, max: 1 << 22 }),
    maxPositions: c.int('max_position_embeddings', { min: 1, default: 4096 }),
  };
  return { sizes, still, turning, values };
}

/** YaRN's temperature, which DeepSeek puts on all scores instead of on the turning part alone: (0.1 · m · ln factor + 1)². */
function temperature(rope: Rope): number {
  if (rope.kind !== 'yarn' || !rope.mscaleAllDim || rope.factor <= 1) return 1;
  return (0.1 * rope.mscaleAllDim * Math.log(rope.factor) + 1) ** 2;
}
