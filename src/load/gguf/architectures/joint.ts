/** Decoders with one projection for queries, keys and values, most without RoPE. */
import type { ConfigReader } from '../../config.ts';
import type { Architecture } from '../architecture.ts';
import { epsilon, type GgufFacts, optional, readRope, readSizes, tied } from '../metadata.ts';
import { both, byGroup, type Target } from '../recipe.ts';

const bloomJoint = 'transformer.h.#.self_attention.query_key_value';

export const bloom: Architecture = {
  targets: {
    'token_embd.weight': 'transformer.word_embeddings.weight',
    ...both('token_embd_norm', 'transformer.word_embeddings_layernorm'),
    'output.weight': 'lm_head.weight',
    ...both('output_norm', 'transformer.ln_f'),
    ...both('blk.#.attn_norm', 'transformer.h.#.input_layernorm'),
    'blk.#.attn_qkv.weight': byGroup(`${bloomJoint}.weight`, 'n_head'),
    'blk.#.attn_qkv.bias': byGroup(`${bloomJoint}.bias`, 'n_head'),
    ...both('blk.#.attn_output', 'transformer.h.#.self_attention.dense'),
    ...both('blk.#.ffn_norm', 'transformer.h.#.post_attention_layernorm'),
    ...both('blk.#.ffn_up', 'transformer.h.#.mlp.dense_h_to_4h'),
    ...both('blk.#.ffn_down', 'transformer.h.#.mlp.dense_4h_to_h'),
  },
  config(c, facts) {
    const { width, heads, layers, features, positions } = evenSizes(c, facts);
    return {
      model_type: 'bloom',
      hidden_size: width,
      layer_norm_epsilon: epsilon(c, 'bloom', 'layer_norm_epsilon'),
      n_head: heads,
      n_inner: features,
      n_layer: layers,
      seq_length: positions,
      tie_word_embeddings: tied(facts),
    };
  },
};

/** As many heads of keys as of queries. */
function evenSizes(c: ConfigReader, facts: GgufFacts) {
  const sizes = readSizes(c, facts);
  if (sizes.keyValueHeads !== sizes.heads)
    throw c.error(`${facts.architecture}.attention.head_count_kv`, `as many as head_count, ${sizes.heads}`);
  return sizes;
}

export const mpt: Architecture = {
  targets: {
    'token_embd.weight': 'transformer.wte.weight',
    'output.weight': 'lm_head.weight',
    'output_norm.weight': 'transformer.norm_f.weight',
    'blk.#.attn_norm.weight': 'transformer.blocks.#.norm_1.weight',
    'blk.#.attn_qkv.weight': 'transformer.blocks.#.attn.Wqkv.weight',
    'blk.#.attn_output.weight': 'transformer.blocks.#.attn.out_proj.weight',
    'blk.#.ffn_norm.weight': 'transformer.blocks.#.norm_2.weight',
    'blk.#.ffn_up.weight': 'transformer.blocks.#.ffn.up_proj.weight',
    'blk.#.ffn_down.weight': 'transformer.blocks.#.ffn.down_proj.weight',
  },
  config(c, facts) {
    const { width, heads, layers, features, positions } = evenSizes(c, facts);
    const limit = optional(c, 'mpt.attention.clamp_kqv');
    return {
      model_type: 'mpt',
      // 0 would be a model with learned positions.
      attn_config: {
        alibi: true,
        alibi_bias_max: c.number('mpt.attention.max_alibi_bias', { min: 1 }),
        ...(limit !== undefined && { clip_qkv: limit }),
      },
      d_model: width,
      expansion_ratio: features / width,
      layer_norm_epsilon: epsilon(c, 'mpt', 'layer_norm_epsilon'),
      max_seq_len: positions,
      n_heads: heads,
      n_layers: layers,
      no_bias: true,
      tie_word_embeddings: tied(facts),
    };
  },
};

const falconJoint = byGroup(
  'transformer.h.#.self_attention.query_key_value.weight',
  'num_attention_heads',
  'num_kv_heads',
);

/** The norm of both parts, or of the feed-forward part where attention has its own. */
function falconNorm(kind: 'weight' | 'bias'): Target {
  return ({ info, find }) => {
    const own = find('blk.#.attn_norm_2.weight') !== undefined;
    return [
      { name: `transformer.h.#.${own ? 'ln_mlp' : 'input_layernorm'}.${kind}`, parts: [info], shape: info.shape },
    ];
  };
}

/** Falcon with few heads of keys; the variant with ALiBi has no files. */
export const falcon: Architecture = {
  targets: {
    'token_embd.weight': 'transformer.word_embeddings.weight',
    'output.weight': 'lm_head.weight',
    ...both('output_norm', 'transformer.ln_f'),
    'blk.#.attn_norm.weight': falconNorm('weight'),
    'blk.#.attn_norm.bias': falconNorm('bias'),
    ...both('blk.#.attn_norm_2', 'transformer.h.#.ln_attn'),
    'blk.#.attn_qkv.weight': falconJoint,
    'blk.#.attn_output.weight': 'transformer.h.#.self_attention.dense.weight',
    'blk.#.ffn_up.weight': 'transformer.h.#.mlp.dense_h_to_4h.weight',
    'blk.#.ffn_down.weight': 'transformer.h.#.mlp.dense_4h_to_h.weight',
  },
  config(c, facts) {
    const { width, heads, headWidth, keyValueHeads, layers, features, positions } = readSizes(c, facts);
    const rope = readRope(c, facts, headWidth);
    c.oneOf('falcon.tensor_data_layout', ['jploski']);
    return {
      model_type: 'falcon',
      activation: 'gelu',
      alibi: false,
      bias: false,
      ffn_hidden_size: features,
      hidden_size: width,
      layer_norm_epsilon: epsilon(c, 'falcon', 'layer_norm_epsilon'),
      max_position_embeddings: positions,
      // One group of heads lies as the first releases have it; the later form says the same of any number.
      new_decoder_architecture: true,
      num_attention_heads: heads,
      num_hidden_layers: layers,
      num_kv_heads: keyValueHeads,
      num_ln_in_parallel_attn: facts.has('blk.0.attn_norm_2.weight') ? 2 : 1,
      rope_theta: rope.theta,
      ...(rope.scaling !== undefined && { rope_scaling: rope.scaling }),
      tie_word_embeddings: tied(facts),
    };
  },
};
