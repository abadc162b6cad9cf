import type { Architecture } from '../architecture.ts';
import { epsilon, readRope, readSizes, tied } from '../metadata.ts';
import { both, byGroup, type Targets, transposed } from '../recipe.ts';

function turned(from: string, to: string): Targets {
  return { ...both(from, to), [`${from}.weight`]: transposed(`${to}.weight`, 2) };
}

export const gpt2: Architecture = {
  targets: {
    'token_embd.weight': 'transformer.wte.weight',
    'position_embd.weight': 'transformer.wpe.weight',
    'output.weight': 'lm_head.weight',
    ...both('output_norm', 'transformer.ln_f'),
    ...both('blk.#.attn_norm', 'transformer.h.#.ln_1'),
    ...turned('blk.#.attn_qkv', 'transformer.h.#.attn.c_attn'),
    ...turned('blk.#.attn_output', 'transformer.h.#.attn.c_proj'),
    ...both('blk.#.ffn_norm', 'transformer.h.#.ln_2'),
    ...turned('blk.#.ffn_up', 'transformer.h.#.mlp.c_fc'),
    ...turned('blk.#.ffn_down', 'transformer.h.#.mlp.c_proj'),
  },
  config(c, facts) {
    const { width, heads, layers, features, positions } = readSizes(c, facts);
    return {
      model_type: 'gpt2',
      activation_function: 'gelu_new',
      layer_norm_epsilon: epsilon(c, 'gpt2', 'layer_norm_epsilon'),
      n_embd: width,
      n_head: heads,
      n_inner: features,
      n_layer: layers,
      n_positions: positions,
      tie_word_embeddings: tied(facts),
    };
  },
};

const joint = 'gpt_neox.layers.#.attention.query_key_value';

export const gptneox: Architecture = {
  targets: {
    'token_embd.weight': 'gpt_neox.embed_in.weight',
    'output.weight': 'embed_out.weight',
    ...both('output_norm', 'gpt_neox.final_layer_norm'),
    ...both('blk.#.attn_norm', 'gpt_neox.layers.#.input_layernorm'),
    'blk.#.attn_qkv.weight': byGroup(`${joint}.weight`, 'num_attention_heads'),
    'blk.#.attn_qkv.bias': byGroup(`${joint}.bias`, 'num_attention_heads'),
    ...both('blk.#.attn_output', 'gpt_neox.layers.#.attention.dense'),
    ...both('blk.#.ffn_norm', 'gpt_neox.layers.#.post_attention_layernorm'),
    ...both('blk.#.ffn_up', 'gpt_neox.layers.#.mlp.dense_h_to_4h'),
    ...both('blk.#.ffn_down', 'gpt_neox.layers.#.mlp.dense_4h_to_h'),
  },
  config(c, facts) {
    const { width, heads, headWidth, layers, features, positions } = readSizes(c, facts);
    const rope = readRope(c, facts, headWidth);
    return {
      model_type: 'gpt_neox',
      attention_bias: facts.has('blk.0.attn_qkv.bias'),
      hidden_act: 'gelu',
      hidden_size: width,
      intermediate_size: features,
      layer_norm_eps: epsilon(c, 'gptneox', 'layer_norm_epsilon'),
      max_position_embeddings: positions,
      num_attention_heads: heads,
      num_hidden_layers: layers,
      rotary_emb_base: rope.theta,
      rotary_pct: rope.partial,
      ...(rope.scaling !== undefined && { rope_scaling: rope.scaling }),
      tie_word_embeddings: tied(facts),
      use_parallel_residual: c.bool('gptneox.use_parallel_residual', { default: true }),
    };
  },
};
