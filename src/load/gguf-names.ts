/** Names of GGUF tensors and what they are called in Hugging Face checkpoints, by architecture. `#` stands for the block's number. */

const llama = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
  'blk.#.attn_norm.weight': 'model.layers.#.input_layernorm.weight',
  'blk.#.attn_q.weight': 'model.layers.#.self_attn.q_proj.weight',
  'blk.#.attn_k.weight': 'model.layers.#.self_attn.k_proj.weight',
  'blk.#.attn_v.weight': 'model.layers.#.self_attn.v_proj.weight',
  'blk.#.attn_output.weight': 'model.layers.#.self_attn.o_proj.weight',
  'blk.#.attn_q.bias': 'model.layers.#.self_attn.q_proj.bias',
  'blk.#.attn_k.bias': 'model.layers.#.self_attn.k_proj.bias',
  'blk.#.attn_v.bias': 'model.layers.#.self_attn.v_proj.bias',
  'blk.#.attn_output.bias': 'model.layers.#.self_attn.o_proj.bias',
  'blk.#.ffn_norm.weight': 'model.layers.#.post_attention_layernorm.weight',
  'blk.#.ffn_gate.weight': 'model.layers.#.mlp.gate_proj.weight',
  'blk.#.ffn_up.weight': 'model.layers.#.mlp.up_proj.weight',
  'blk.#.ffn_down.weight': 'model.layers.#.mlp.down_proj.weight',
  'blk.#.ffn_gate.bias': 'model.layers.#.mlp.gate_proj.bias',
  'blk.#.ffn_up.bias': 'model.layers.#.mlp.up_proj.bias',
  'blk.#.ffn_down.bias': 'model.layers.#.mlp.down_proj.bias',
};

const qwen3 = {
  ...llama,
  'blk.#.attn_q_norm.weight': 'model.layers.#.self_attn.q_norm.weight',
  'blk.#.attn_k_norm.weight': 'model.layers.#.self_attn.k_norm.weight',
};

const gemma3 = {
  ...qwen3,
  'blk.#.post_attention_norm.weight': 'model.layers.#.post_attention_layernorm.weight',
  'blk.#.ffn_norm.weight': 'model.layers.#.pre_feedforward_layernorm.weight',
  'blk.#.post_ffw_norm.weight': 'model.layers.#.post_feedforward_layernorm.weight',
};

const { 'blk.#.ffn_norm.weight': _renamed, ...withoutFfnNorm } = llama;
const gptOss = {
  ...withoutFfnNorm,
  'blk.#.post_attention_norm.weight': 'model.layers.#.post_attention_layernorm.weight',
  'blk.#.attn_sinks.weight': 'model.layers.#.self_attn.sinks',
  'blk.#.ffn_gate_inp.weight': 'model.layers.#.mlp.router.weight',
  'blk.#.ffn_gate_inp.bias': 'model.layers.#.mlp.router.bias',
  // Gate and up are one tensor in the checkpoint; the pair is found under the name of the gate.
  'blk.#.ffn_gate_exps.weight': 'model.layers.#.mlp.experts.gate_up_proj',
  'blk.#.ffn_gate_exps.bias': 'model.layers.#.mlp.experts.gate_up_proj_bias',
  'blk.#.ffn_down_exps.weight': 'model.layers.#.mlp.experts.down_proj',
  'blk.#.ffn_down_exps.bias': 'model.layers.#.mlp.experts.down_proj_bias',
};

/** A weight and its bias under new names. */
function both(from: string, to: string): Record<string, string> {
  return { [`${from}.weight`]: `${to}.weight`, [`${from}.bias`]: `${to}.bias` };
}

const gpt2 = {
  'token_embd.weight': 'transformer.wte.weight',
  'position_embd.weight': 'transformer.wpe.weight',
  'output.weight': 'lm_head.weight',
  ...both('output_norm', 'transformer.ln_f'),
  ...both('blk.#.attn_norm', 'transformer.h.#.ln_1'),
  ...both('blk.#.attn_qkv', 'transformer.h.#.attn.c_attn'),
  ...both('blk.#.attn_output', 'transformer.h.#.attn.c_proj'),
  ...both('blk.#.ffn_norm', 'transformer.h.#.ln_2'),
  ...both('blk.#.ffn_up', 'transformer.h.#.mlp.c_fc'),
  ...both('blk.#.ffn_down', 'transformer.h.#.mlp.c_proj'),
};

const gptneox = {
  'token_embd.weight': 'gpt_neox.embed_in.weight',
  'output.weight': 'embed_out.weight',
  ...both('output_norm', 'gpt_neox.final_layer_norm'),
  ...both('blk.#.attn_norm', 'gpt_neox.layers.#.input_layernorm'),
  ...both('blk.#.attn_qkv', 'gpt_neox.layers.#.attention.query_key_value'),
  ...both('blk.#.attn_output', 'gpt_neox.layers.#.attention.dense'),
  ...both('blk.#.ffn_norm', 'gpt_neox.layers.#.post_attention_layernorm'),
  ...both('blk.#.ffn_up', 'gpt_neox.layers.#.mlp.dense_h_to_4h'),
  ...both('blk.#.ffn_down', 'gpt_neox.layers.#.mlp.dense_4h_to_h'),
};

const tables = { llama, qwen2: llama, qwen3, gemma3, 'gpt-oss': gptOss, gpt2, gptneox };

/** `general.architecture` of the files that are read; Mistral is stored as `llama`. */
export type GgufArchitecture = keyof typeof tables;

export const ggufArchitectures = Object.keys(tables) as readonly GgufArchitecture[];

const maps = new Map(
  Object.entries(tables).map(([architecture, table]) => [architecture, new Map(Object.entries(table))]),
);

/** The Hugging Face name of a GGUF tensor, or undefined. */
export function huggingFaceName(architecture: GgufArchitecture, name: string): string | undefined {
  const block = /^blk\.(0|[1-9]\d{0,4})\./.exec(name);
  const pattern = block === null ? name : `blk.#.${name.slice(block[0].length)}`;
  return maps
    .get(architecture)!
    .get(pattern)
    ?.replace('#', block?.[1] ?? '#');
}
