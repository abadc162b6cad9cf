import type { Architecture } from '../architecture.ts';
import {
  epsilon,
  expertFeatures,
  layerTypes,
  optional,
  readExperts,
  readLayers,
  readRope,
  size,
  tied,
  written,
} from '../metadata.ts';
import * as names from '../names.ts';

/** MiMo-V2-Flash. */
export const mimo2: Architecture = {
  targets: {
    ...names.ends,
    ...names.attention,
    ...names.norms,
    ...names.gatedMlp,
    ...names.experts('n_routed_experts'),
    'blk.#.exp_probs_b.bias': 'model.layers.#.mlp.gate.e_score_correction_bias',
    'blk.#.attn_sinks.weight': 'model.layers.#.self_attn.attention_sink_bias',
  },
  config(c, facts) {
    const p = 'mimo2';
    const headWidth = c.int(`${p}.attention.key_length`, size);
    const layers = readLayers(c, p);
    const types = layerTypes(c, p, layers);
    const counts = c.ints(`${p}.attention.head_count_kv`, size).slice(0, layers);
    const few = Math.min(...counts);
    const expected = types.map((type) => (type === 'full_attention' ? few : 2 * few));
    if (counts.join() !== expected.join())
      throw c.error(`${p}.attention.head_count_kv`, 'twice as many heads in windowed layers as in the others');
    const { theta, scaling, partial } = readRope(c, facts, headWidth);
    if (scaling !== undefined) throw c.error(`${p}.rope.scaling.type`, 'RoPE that is not scaled');
    const { count, used } = readExperts(c, p);
    c.oneOf(`${p}.expert_gating_func`, [2]);
    return {
      model_type: 'mimo_v2_flash',
      hidden_act: 'silu',
      attention_bias: facts.has('blk.0.attn_q.bias'),
      attention_value_scale: optional(c, `${p}.attention.value_scale`) ?? null,
      head_dim: headWidth,
      hidden_size: c.int(`${p}.embedding_length`, size),
      intermediate_size: c.int(`${p}.feed_forward_length`, size),
      layer_types: types,
      max_position_embeddings: c.int(`${p}.context_length`, size),
      mlp_layer_types: types.map((_, layer) => (facts.has(`blk.${layer}.ffn_gate_inp.weight`) ? 'sparse' : 'dense')),
      moe_intermediate_size: expertFeatures(c, p),
      n_group: c.int(`${p}.expert_group_count`, { ...size, default: 1 }),
      n_routed_experts: count,
      norm_topk_prob: true,
      num_attention_heads: c.int(`${p}.attention.head_count`, size),
      num_experts_per_tok: used,
      num_hidden_layers: layers,
      num_key_value_heads: few,
      partial_rotary_factor: partial,
      rms_norm_eps: epsilon(c, p, 'layer_norm_rms_epsilon'),
      rope_local_base_freq: written(c.number(`${p}.rope.freq_base_swa`, { min: 1, default: 10_000 })),
      rope_theta: theta,
      // Counted without the query itself, like the key that the converter copies.
      sliding_window_size: c.int(`${p}.attention.sliding_window`, size),
      tie_word_embeddings: tied(facts),
      topk_group: c.int(`${p}.expert_group_used_count`, { ...size, default: 1 }),
      v_head_dim: c.int(`${p}.attention.value_length`, size),
    };
  },
};
