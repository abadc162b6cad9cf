import type { Architecture } from '../architecture.ts';
import { optional, readExperts, rmsConfig } from '../metadata.ts';
import * as names from '../names.ts';
import { stacked, type Target } from '../recipe.ts';

const self = 'model.layers.#.self_attn';
const expert = 'model.layers.#.block_sparse_moe';

/** Linear layers, those with one joint projection, call it otherwise. */
const output: Target = ({ info, find }) => {
  const linear = find('blk.#.attn_qkv.weight') !== undefined;
  return [{ name: `${self}.${linear ? 'out_proj' : 'o_proj'}.weight`, parts: [info], shape: info.shape }];
};

/** MiniMax-Text-01 and M1. */
export const minimax: Architecture = {
  targets: {
    ...names.ends,
    ...names.norms,
    'blk.#.attn_q.weight': `${self}.q_proj.weight`,
    'blk.#.attn_k.weight': `${self}.k_proj.weight`,
    'blk.#.attn_v.weight': `${self}.v_proj.weight`,
    'blk.#.attn_qkv.weight': `${self}.qkv_proj.weight`,
    'blk.#.attn_gate.weight': `${self}.output_gate.weight`,
    'blk.#.attn_norm_2.weight': `${self}.norm.weight`,
    'blk.#.attn_output.weight': output,
    'blk.#.ffn_gate_inp.weight': `${expert}.gate.weight`,
    'blk.#.ffn_gate_exps.weight': stacked(`${expert}.experts.*.w1.weight`, 'num_local_experts'),
    'blk.#.ffn_down_exps.weight': stacked(`${expert}.experts.*.w2.weight`, 'num_local_experts'),
    'blk.#.ffn_up_exps.weight': stacked(`${expert}.experts.*.w3.weight`, 'num_local_experts'),
  },
  config(c, facts) {
    const p = 'minimax-01';
    const config = rmsConfig(c, facts);
    const { count, used } = readExperts(c, p);
    const past = optional(c, `${p}.residual_scale`) ?? 1;
    const layers = Array.from({ length: config.num_hidden_layers as number }, (_, layer) => layer);
    return {
      ...config,
      model_type: 'minimax',
      hidden_act: 'silu',
      layer_types: layers.map((layer) =>
        facts.has(`blk.${layer}.attn_qkv.weight`) ? 'linear_attention' : 'full_attention',
      ),
      full_attn_alpha_factor: past,
      linear_attn_alpha_factor: past,
      mlp_alpha_factor: past,
      num_experts_per_tok: used,
      num_local_experts: count,
    };
  },
};
