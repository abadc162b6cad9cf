import type { Architecture } from '../architecture.ts';
import { decoderConfig, epsilon, rmsConfig } from '../metadata.ts';
import * as names from '../names.ts';
import { both, sections, type Target } from '../recipe.ts';

const self = 'model.layers.#.self_attn';

/** The first files have queries, keys and values in one tensor. */
function joint(kind: 'weight' | 'bias'): Target {
  return sections(({ count }) => {
    const [H, G, D] = [count('num_attention_heads'), count('num_key_value_heads'), count('head_dim')];
    return [
      [`${self}.q_proj.${kind}`, H * D],
      [`${self}.k_proj.${kind}`, G * D],
      [`${self}.v_proj.${kind}`, G * D],
    ];
  });
}

export const phi2: Architecture = {
  targets: {
    ...names.embedding,
    ...both('output', 'lm_head'),
    ...both('output_norm', 'model.final_layernorm'),
    ...both('blk.#.attn_norm', 'model.layers.#.input_layernorm'),
    ...names.attention,
    'blk.#.attn_qkv.weight': joint('weight'),
    'blk.#.attn_qkv.bias': joint('bias'),
    ...both('blk.#.attn_output', `${self}.dense`),
    ...both('blk.#.ffn_up', 'model.layers.#.mlp.fc1'),
    ...both('blk.#.ffn_down', 'model.layers.#.mlp.fc2'),
  },
  config: (c, facts) => ({
    partial_rotary_factor: 1,
    ...decoderConfig(c, facts),
    model_type: 'phi',
    hidden_act: 'gelu_new',
    layer_norm_eps: epsilon(c, 'phi2', 'layer_norm_epsilon'),
  }),
};

export const phi3: Architecture = {
  targets: {
    ...names.ends,
    ...names.norms,
    'blk.#.attn_qkv.weight': `${self}.qkv_proj.weight`,
    'blk.#.attn_output.weight': `${self}.o_proj.weight`,
    'blk.#.ffn_up.weight': 'model.layers.#.mlp.gate_up_proj.weight',
    'blk.#.ffn_down.weight': 'model.layers.#.mlp.down_proj.weight',
  },
  config(c, facts) {
    // 0 is no window. Files without the key do not say.
    const window = c.int('phi3.attention.sliding_window');
    return {
      ...rmsConfig(c, facts),
      model_type: 'phi3',
      hidden_act: 'silu',
      ...(window > 0 && { sliding_window: window }),
    };
  },
};
