/** Decoders like Llama with LayerNorm. */
import type { Architecture } from '../architecture.ts';
import { decoderConfig, epsilon, positive, written } from '../metadata.ts';
import * as names from '../names.ts';
import { both, stacked } from '../recipe.ts';

const biasedNorms = {
  ...both('output_norm', 'model.norm'),
  ...both('blk.#.attn_norm', 'model.layers.#.input_layernorm'),
  ...both('blk.#.ffn_norm', 'model.layers.#.post_attention_layernorm'),
};

export const stablelm: Architecture = {
  targets: {
    ...names.llama,
    ...biasedNorms,
    // A tensor for each head in the checkpoint.
    'blk.#.attn_q_norm.weight': stacked('model.layers.#.self_attn.q_layernorm.norms.*.weight', 'num_attention_heads'),
    'blk.#.attn_k_norm.weight': stacked('model.layers.#.self_attn.k_layernorm.norms.*.weight', 'num_key_value_heads'),
  },
  config(c, facts) {
    // Files of models whose configuration leaves it out say true; the norm tells what holds.
    c.bool('stablelm.use_parallel_residual', { default: true });
    return {
      partial_rotary_factor: 1,
      ...decoderConfig(c, facts),
      model_type: 'stablelm',
      hidden_act: 'silu',
      layer_norm_eps: epsilon(c, 'stablelm', 'layer_norm_epsilon'),
      qk_layernorm: facts.has('blk.0.attn_q_norm.weight'),
      use_parallel_residual: !facts.has('blk.0.ffn_norm.weight'),
      use_qkv_bias: facts.has('blk.0.attn_q.bias'),
    };
  },
};

export const starcoder2: Architecture = {
  targets: {
    ...names.llama,
    ...biasedNorms,
    ...both('blk.#.ffn_up', 'model.layers.#.mlp.c_fc'),
    ...both('blk.#.ffn_down', 'model.layers.#.mlp.c_proj'),
  },
  config(c, facts) {
    const config = decoderConfig(c, facts);
    return {
      ...config,
      model_type: 'starcoder2',
      hidden_act: 'gelu_pytorch_tanh',
      norm_epsilon: epsilon(c, 'starcoder2', 'layer_norm_epsilon'),
      // Not in the file: the window of all releases, which are trained on more.
      ...((config.max_position_embeddings as number) > 4096 && { sliding_window: 4096 }),
      use_bias: facts.has('blk.0.attn_q.bias'),
    };
  },
};

export const commandR: Architecture = {
  targets: {
    ...names.ends,
    ...names.attention,
    ...names.headNorms,
    ...names.gatedMlp,
    // Both parts of a block read it.
    'blk.#.attn_norm.weight': 'model.layers.#.input_layernorm.weight',
  },
  config: (c, facts) => ({
    ...decoderConfig(c, facts),
    model_type: 'cohere',
    attention_bias: facts.has('blk.0.attn_q.bias'),
    hidden_act: 'silu',
    layer_norm_eps: epsilon(c, 'command-r', 'layer_norm_epsilon'),
    logit_scale: written(c.number('command-r.logit_scale', positive)),
    use_qk_norm: facts.has('blk.0.attn_q_norm.weight'),
  }),
};
