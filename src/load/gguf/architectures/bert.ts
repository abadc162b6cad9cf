import type { Architecture } from '../architecture.ts';
import { epsilon, readSizes, size, written } from '../metadata.ts';
import type { Target, Targets } from '../recipe.ts';

const types = 'token_types.weight';

/** A weight and its bias; DistilBERT, which has no token types, calls them otherwise. */
function both(from: string, bert: string, distilled: string): Targets {
  const named = (kind: string): Target => {
    return ({ info, find }) => {
      const name = `${find(types) === undefined ? `distilbert.${distilled}` : `bert.${bert}`}.${kind}`;
      return [{ name, parts: [info], shape: info.shape }];
    };
  };
  return { [`${from}.weight`]: named('weight'), [`${from}.bias`]: named('bias') };
}

const layer = 'encoder.layer.#';
const distilled = 'transformer.layer.#';

/** BERT, RoBERTa and DistilBERT without a head, which these files leave out; RoBERTa's positions lie there as BERT's do. */
export const bert: Architecture = {
  targets: {
    ...both('token_embd', 'embeddings.word_embeddings', 'embeddings.word_embeddings'),
    ...both('position_embd', 'embeddings.position_embeddings', 'embeddings.position_embeddings'),
    [types]: 'bert.embeddings.token_type_embeddings.weight',
    ...both('token_embd_norm', 'embeddings.LayerNorm', 'embeddings.LayerNorm'),
    ...both('blk.#.attn_q', `${layer}.attention.self.query`, `${distilled}.attention.q_lin`),
    ...both('blk.#.attn_k', `${layer}.attention.self.key`, `${distilled}.attention.k_lin`),
    ...both('blk.#.attn_v', `${layer}.attention.self.value`, `${distilled}.attention.v_lin`),
    ...both('blk.#.attn_output', `${layer}.attention.output.dense`, `${distilled}.attention.out_lin`),
    ...both('blk.#.attn_output_norm', `${layer}.attention.output.LayerNorm`, `${distilled}.sa_layer_norm`),
    ...both('blk.#.ffn_up', `${layer}.intermediate.dense`, `${distilled}.ffn.lin1`),
    ...both('blk.#.ffn_down', `${layer}.output.dense`, `${distilled}.ffn.lin2`),
    ...both('blk.#.layer_output_norm', `${layer}.output.LayerNorm`, `${distilled}.output_layer_norm`),
  },
  config(c, facts) {
    const { width, heads, layers, features, positions } = readSizes(c, facts);
    c.oneOf('bert.attention.causal', [false]);
    // What is made of the last states, which are given as they are.
    c.ignore(['bert.pooling_type']);
    const rows = facts.rows(types);
    if (rows === undefined) {
      c.oneOf('bert.attention.layer_norm_epsilon', [Math.fround(1e-12)]);
      return {
        model_type: 'distilbert',
        activation: 'gelu',
        dim: width,
        hidden_dim: features,
        max_position_embeddings: positions,
        n_heads: heads,
        n_layers: layers,
      };
    }
    return {
      model_type: 'bert',
      hidden_act: 'gelu',
      hidden_size: width,
      intermediate_size: features,
      layer_norm_eps: epsilon(c, 'bert', 'layer_norm_epsilon'),
      max_position_embeddings: positions,
      num_attention_heads: heads,
      num_hidden_layers: layers,
      type_vocab_size: rows,
    };
  },
};

/** ModernBERT without a head. */
export const modernBert: Architecture = {
  targets: {
    'token_embd.weight': 'model.embeddings.tok_embeddings.weight',
    'token_embd_norm.weight': 'model.embeddings.norm.weight',
    'output_norm.weight': 'model.final_norm.weight',
    'blk.#.attn_norm.weight': 'model.layers.#.attn_norm.weight',
    'blk.#.attn_qkv.weight': 'model.layers.#.attn.Wqkv.weight',
    'blk.#.attn_output.weight': 'model.layers.#.attn.Wo.weight',
    'blk.#.ffn_norm.weight': 'model.layers.#.mlp_norm.weight',
    'blk.#.ffn_up.weight': 'model.layers.#.mlp.Wi.weight',
    'blk.#.ffn_down.weight': 'model.layers.#.mlp.Wo.weight',
  },
  config(c, facts) {
    const p = 'modern-bert';
    const { width, heads, layers, features, positions } = readSizes(c, facts);
    c.oneOf(`${p}.attention.causal`, [false]);
    c.oneOf(`${p}.rope.scaling.type`, ['none'], { default: 'none' });
    c.ignore([`${p}.pooling_type`, `${p}.classifier.pooling_type`]);
    // Converters copy `norm_eps` under the name of another norm, and a number beside it that the model does not read.
    c.ignore([`${p}.attention.layer_norm_epsilon`]);
    return {
      model_type: 'modernbert',
      global_attn_every_n_layers: c.int(`${p}.attention.sliding_window_pattern`, { min: 1, default: 3 }),
      global_rope_theta: written(c.number(`${p}.rope.freq_base`, { min: 1 })),
      hidden_activation: c.oneOf(`${p}.hidden_activation`, ['gelu', 'silu'], { default: 'gelu' }),
      hidden_size: width,
      intermediate_size: features,
      local_attention: c.int(`${p}.attention.sliding_window`, size),
      local_rope_theta: written(c.number(`${p}.rope.freq_base_swa`, { min: 1 })),
      max_position_embeddings: positions,
      norm_eps: epsilon(c, p, 'layer_norm_rms_epsilon'),
      num_attention_heads: heads,
      num_hidden_layers: layers,
    };
  },
};
