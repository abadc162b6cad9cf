import type { ConfigReader } from '../../config.ts';
import type { Architecture } from '../architecture.ts';
import {
  epsilon,
  expertFeatures,
  type GgufFacts,
  optional,
  readExperts,
  readLayers,
  readRope,
  size,
  tied,
  written,
} from '../metadata.ts';
import * as names from '../names.ts';
import { partOf, type Target } from '../recipe.ts';
import { restoreLatentKeysAndValues } from '../restore.ts';

const self = 'model.layers.#.self_attn';

/** [H, C, Dk] and [H, Dv, C] to one matrix [H (Dk + Dv), C]. */
const keysAndValues: Target = ({ info, find, divides, fail }) => {
  const values = find('blk.#.attn_v_b.weight');
  if (values === undefined) return fail('needs its partner attn_v_b');
  const fits = info.shape.length === 3 && values.shape.length === 3;
  divides(
    fits && info.shape[0] === values.shape[0] && info.shape[1] === values.shape[2],
    'heads like those of attn_v_b',
  );
  const [H, C, keyWidth] = info.shape as [number, number, number];
  const valueWidth = values.shape[1]!;
  return [
    {
      name: `${self}.kv_b_proj.weight`,
      parts: [info, values],
      shape: [H * (keyWidth + valueWidth), C],
      restore: restoreLatentKeysAndValues([H, C, keyWidth, valueWidth]),
    },
  ];
};

const shared = 'model.layers.#.mlp.shared_experts';

/** Latent attention and experts chosen by sigmoid: DeepSeek-V3, R1 and models of their form. */
export const deepseek2: Architecture = {
  targets: {
    ...names.ends,
    ...names.norms,
    ...names.gatedMlp,
    ...names.experts('n_routed_experts'),
    'blk.#.exp_probs_b.bias': 'model.layers.#.mlp.gate.e_score_correction_bias',
    'blk.#.ffn_gate_shexp.weight': `${shared}.gate_proj.weight`,
    'blk.#.ffn_up_shexp.weight': `${shared}.up_proj.weight`,
    'blk.#.ffn_down_shexp.weight': `${shared}.down_proj.weight`,
    'blk.#.attn_q.weight': `${self}.q_proj.weight`,
    'blk.#.attn_q_a.weight': `${self}.q_a_proj.weight`,
    'blk.#.attn_q_a_norm.weight': `${self}.q_a_layernorm.weight`,
    'blk.#.attn_q_b.weight': `${self}.q_b_proj.weight`,
    'blk.#.attn_kv_a_mqa.weight': `${self}.kv_a_proj_with_mqa.weight`,
    'blk.#.attn_kv_a_norm.weight': `${self}.kv_a_layernorm.weight`,
    // The first files have one matrix, as the checkpoint does.
    'blk.#.attn_kv_b.weight': `${self}.kv_b_proj.weight`,
    'blk.#.attn_k_b.weight': keysAndValues,
    'blk.#.attn_v_b.weight': partOf('blk.#.attn_k_b.weight'),
    'blk.#.attn_output.weight': `${self}.o_proj.weight`,
  },
  config(c, facts) {
    const p = 'deepseek2';
    const heads = c.int(`${p}.attention.head_count`, size);
    c.oneOf(`${p}.attention.head_count_kv`, [1, heads], { default: heads });
    const dense = c.int(`${p}.leading_dense_block_count`, { default: 0 });
    checkRouter(c, facts, dense);
    const { count, used } = readExperts(c, p);
    // The first files do not say the groups of DeepSeek-V3's 256 experts.
    const [groups, chosenGroups] = count === 256 ? [8, 4] : [1, 1];
    const latent = c.int(`${p}.attention.q_lora_rank`, { ...size, default: undefined });
    return {
      model_type: 'deepseek_v3',
      hidden_act: 'silu',
      first_k_dense_replace: dense,
      hidden_size: c.int(`${p}.embedding_length`, size),
      intermediate_size: c.int(`${p}.feed_forward_length`, size),
      kv_lora_rank: c.int(`${p}.attention.kv_lora_rank`, size),
      max_position_embeddings: c.int(`${p}.context_length`, size),
      moe_intermediate_size: expertFeatures(c, p),
      n_group: c.int(`${p}.expert_group_count`, { ...size, default: groups }),
      n_routed_experts: count,
      n_shared_experts: c.int(`${p}.expert_shared_count`, size),
      norm_topk_prob: c.bool(`${p}.expert_weights_norm`, { default: false }),
      num_attention_heads: heads,
      num_experts_per_tok: used,
      num_hidden_layers: readLayers(c, p),
      num_key_value_heads: heads,
      num_nextn_predict_layers: 0,
      q_lora_rank: latent ?? null,
      rms_norm_eps: epsilon(c, p, 'layer_norm_rms_epsilon'),
      rope_interleave: true,
      routed_scaling_factor: optional(c, `${p}.expert_weights_scale`) ?? 1,
      tie_word_embeddings: tied(facts),
      topk_group: c.int(`${p}.expert_group_used_count`, { ...size, default: chosenGroups }),
      ...headWidths(c, p),
      ...rope(c, facts),
    };
  },
};

/** DeepSeek-V2 has the same architecture name and another router. */
function checkRouter(c: ConfigReader, facts: GgufFacts, dense: number): void {
  const key = 'deepseek2.expert_gating_func';
  const corrected = facts.has(`blk.${dense}.exp_probs_b.bias`);
  if (!corrected || c.oneOf(key, [1, 2], { default: 2 }) !== 2)
    throw c.error(key, '2 and a correction "exp_probs_b.bias", the router of DeepSeek-V3');
}

/** The lengths without `_mla` are those of the latent in files that split the last projection. */
function headWidths(c: ConfigReader, p: string) {
  const turning = c.int(`${p}.rope.dimension_count`, size);
  const [key, value] = [c.int(`${p}.attention.key_length`, size), c.int(`${p}.attention.value_length`, size)];
  const keyWidth = c.int(`${p}.attention.key_length_mla`, { ...size, default: key });
  if (keyWidth <= turning) throw c.error(`${p}.attention.key_length_mla`, `more than rope.dimension_count, ${turning}`);
  return {
    qk_nope_head_dim: keyWidth - turning,
    qk_rope_head_dim: turning,
    v_head_dim: c.int(`${p}.attention.value_length_mla`, { ...size, default: value }),
  };
}

function rope(c: ConfigReader, facts: GgufFacts) {
  const p = 'deepseek2';
  // A tenth of the factor that is the same on positions and on scores.
  const logs = c.number(`${p}.rope.scaling.yarn_log_multiplier`, { default: undefined });
  const temperature = logs === undefined ? undefined : written(Math.fround(logs * 10));
  const more = temperature === undefined ? {} : { mscale: temperature, mscale_all_dim: temperature };
  const { theta, scaling } = readRope(c, facts, c.int(`${p}.rope.dimension_count`, size), more);
  return { rope_theta: theta, ...(scaling !== undefined && { rope_scaling: scaling }) };
}
