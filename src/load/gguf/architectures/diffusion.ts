/** Masked diffusion models: attention in both directions. */
import type { ConfigReader } from '../../config.ts';
import type { Architecture } from '../architecture.ts';
import { rmsConfig } from '../metadata.ts';
import * as names from '../names.ts';
import { halfSplit } from '../recipe.ts';

function bothDirections(c: ConfigReader, p: string) {
  c.oneOf(`${p}.attention.causal`, [false]);
  const mask = c.int('tokenizer.ggml.mask_token_id', { default: undefined });
  return mask === undefined ? {} : { mask_token_id: mask };
}

export const dream: Architecture = {
  targets: names.llama,
  config(c, facts) {
    // Logits are of the next position, as the family has them.
    c.oneOf('diffusion.shift_logits', [true], { default: true });
    return { ...rmsConfig(c, facts), ...bothDirections(c, 'dream'), model_type: 'Dream', hidden_act: 'silu' };
  },
};

const block = 'model.transformer.blocks.#';

export const llada: Architecture = {
  targets: {
    'token_embd.weight': 'model.transformer.wte.weight',
    'output.weight': 'model.transformer.ff_out.weight',
    'output_norm.weight': 'model.transformer.ln_f.weight',
    'blk.#.attn_norm.weight': `${block}.attn_norm.weight`,
    'blk.#.attn_q.weight': halfSplit(`${block}.q_proj.weight`, 'n_heads'),
    'blk.#.attn_q.bias': halfSplit(`${block}.q_proj.bias`, 'n_heads'),
    'blk.#.attn_k.weight': halfSplit(`${block}.k_proj.weight`, 'n_kv_heads'),
    'blk.#.attn_k.bias': halfSplit(`${block}.k_proj.bias`, 'n_kv_heads'),
    'blk.#.attn_v.weight': `${block}.v_proj.weight`,
    'blk.#.attn_v.bias': `${block}.v_proj.bias`,
    'blk.#.attn_output.weight': `${block}.attn_out.weight`,
    'blk.#.ffn_norm.weight': `${block}.ff_norm.weight`,
    'blk.#.ffn_gate.weight': `${block}.ff_proj.weight`,
    'blk.#.ffn_up.weight': `${block}.up_proj.weight`,
    'blk.#.ffn_down.weight': `${block}.ff_out.weight`,
  },
  config(c, facts) {
    c.oneOf('diffusion.shift_logits', [false], { default: false });
    const config = rmsConfig(c, facts);
    const { hidden_size: width, num_attention_heads: heads, head_dim: headWidth } = config;
    if ((heads as number) * (headWidth as number) !== width)
      throw c.error('llada.attention.key_length', 'the width of the model by the number of heads');
    return {
      ...bothDirections(c, 'llada'),
      model_type: 'llada',
      activation_type: 'silu',
      d_model: width,
      include_qkv_bias: facts.has('blk.0.attn_q.bias'),
      max_sequence_length: config.max_position_embeddings,
      mlp_hidden_size: config.intermediate_size,
      n_heads: heads,
      n_kv_heads: config.num_key_value_heads,
      n_layers: config.num_hidden_layers,
      rms_norm_eps: config.rms_norm_eps,
      rope_theta: config.rope_theta,
      ...(config.rope_scaling !== undefined && { rope_scaling: config.rope_scaling }),
      weight_tying: config.tie_word_embeddings,
    };
  },
  interleaved: true,
};
