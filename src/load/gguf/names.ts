/** Names that many architectures share, and what they are called in Hugging Face checkpoints. `#` is the block's number, `*` an expert's. */
import { both, offsetNorm, stacked, type Targets } from './recipe.ts';

export const embedding = { 'token_embd.weight': 'model.embed_tokens.weight' };

/** Embedding, last norm and output of Llama and most families after it. */
export const ends = {
  ...embedding,
  'output.weight': 'lm_head.weight',
  'output_norm.weight': 'model.norm.weight',
};

export const attention = {
  ...both('blk.#.attn_q', 'model.layers.#.self_attn.q_proj'),
  ...both('blk.#.attn_k', 'model.layers.#.self_attn.k_proj'),
  ...both('blk.#.attn_v', 'model.layers.#.self_attn.v_proj'),
  ...both('blk.#.attn_output', 'model.layers.#.self_attn.o_proj'),
};

export const headNorms = {
  'blk.#.attn_q_norm.weight': 'model.layers.#.self_attn.q_norm.weight',
  'blk.#.attn_k_norm.weight': 'model.layers.#.self_attn.k_norm.weight',
};

export const norms = {
  'blk.#.attn_norm.weight': 'model.layers.#.input_layernorm.weight',
  'blk.#.ffn_norm.weight': 'model.layers.#.post_attention_layernorm.weight',
};

/** The same norms where the file calls the second by its place. */
export const normsByPlace = {
  'blk.#.attn_norm.weight': 'model.layers.#.input_layernorm.weight',
  'blk.#.post_attention_norm.weight': 'model.layers.#.post_attention_layernorm.weight',
};

export const gatedMlp = {
  ...both('blk.#.ffn_gate', 'model.layers.#.mlp.gate_proj'),
  ...both('blk.#.ffn_up', 'model.layers.#.mlp.up_proj'),
  ...both('blk.#.ffn_down', 'model.layers.#.mlp.down_proj'),
};

/** Experts that the file stacks and the checkpoint has one by one. */
export function experts(count: string): Targets {
  return {
    'blk.#.ffn_gate_inp.weight': 'model.layers.#.mlp.gate.weight',
    'blk.#.ffn_gate_exps.weight': stacked('model.layers.#.mlp.experts.*.gate_proj.weight', count),
    'blk.#.ffn_up_exps.weight': stacked('model.layers.#.mlp.experts.*.up_proj.weight', count),
    'blk.#.ffn_down_exps.weight': stacked('model.layers.#.mlp.experts.*.down_proj.weight', count),
  };
}

/** Head norms, and experts in place of the feed-forward part. */
export const mixture: Targets = { ...ends, ...attention, ...headNorms, ...norms, ...experts('num_experts') };

export const llama: Targets = { ...ends, ...attention, ...norms, ...gatedMlp };

/** Every norm of a table is stored as 1 + weight. */
export function withOffsetNorms(targets: Targets): Targets {
  return Object.fromEntries(
    Object.entries(targets).map(([name, target]) => [
      name,
      typeof target === 'string' && name.endsWith('norm.weight') ? offsetNorm(target) : target,
    ]),
  );
}
