import { describe, expect, it } from 'vitest';
import { ggmlTypes } from '../../src/load/gguf/types.ts';
import { buildGguf, type GgufTensor, type Meta } from './build-gguf.ts';
import { range } from './convert-gguf.ts';
import { open, sizes } from './gguf-support.ts';

type Metadata = readonly (readonly [string, Meta])[];

const embedding: GgufTensor = { name: 'token_embd.weight', shape: [4, 32], values: new Float32Array(128) };
const counting = (name: string, shape: readonly number[]): GgufTensor => ({
  name,
  shape,
  values: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i),
});
const rms = (p: string): Metadata => sizes(p, [[`${p}.attention.layer_norm_rms_epsilon`, { float: 1e-6 }]]);
const mean = (p: string): Metadata => sizes(p, [[`${p}.attention.layer_norm_epsilon`, { float: 1e-5 }]]);
const file = (meta: Metadata, ...tensors: GgufTensor[]) => open(buildGguf(meta, [embedding, ...tensors]));
const experts: Metadata = [
  ['llama.expert_count', 2],
  ['llama.expert_used_count', 1],
];

describe('forms of GGUF files', () => {
  it('stack experts that are read one by one: numbers, blocks and place in the file', async () => {
    const blocks = Uint8Array.from({ length: 2 * 3 * 34 }, (_, i) =>
      i % 34 === 1 ? 0x3c : i % 34 === 0 ? 0 : i % 127,
    );
    const made = await file([...rms('llama'), ...experts], {
      name: 'blk.2.ffn_down_exps.weight',
      shape: [2, 3, 32],
      values: blocks,
      type: 8,
    });
    const name = (e: number) => `model.layers.2.block_sparse_moe.experts.${e}.w2.weight`;
    expect([...made.tensors.keys()].slice(1)).toEqual([name(0), name(1)]);
    expect(made.tensors.get(name(1))).toEqual({ name: name(1), dtype: 'gguf:Q8_0', shape: [3, 32], bytes: 102 });
    const raw = await made.readBlocks!(name(1));
    expect(raw).toEqual({ type: 'Q8_0', bytes: blocks.slice(102) });
    const values = new Float32Array(96);
    ggmlTypes.get(8)!.decode!(raw!.bytes, values);
    expect(await made.read(name(1))).toEqual(values);
    expect(made.config).toMatchObject({ model_type: 'mixtral', num_local_experts: 2, num_experts_per_tok: 1 });
  });

  it('have the experts of the first files one by one', async () => {
    const made = await file([...rms('llama'), ...experts], counting('blk.0.ffn_gate.1.weight', [2, 32]));
    expect((await made.read('model.layers.0.block_sparse_moe.experts.1.w1.weight'))[33]).toBe(33);
  });

  it('have one tensor for what a checkpoint cuts: queries, keys and values, heads of norms', async () => {
    const phi = await file(
      [...mean('phi2'), ['phi2.attention.head_count_kv', 2]],
      counting('blk.0.attn_qkv.weight', [64, 32]),
      counting('blk.0.attn_qkv.bias', [64]),
    );
    const part = async (name: string) => (await phi.read(`model.layers.0.self_attn.${name}`))[0];
    expect(await part('q_proj.weight')).toBe(0);
    expect(await part('k_proj.weight')).toBe(32 * 32);
    expect(await part('v_proj.weight')).toBe(48 * 32);
    expect(await part('v_proj.bias')).toBe(48);
    expect(phi.tensors.get('model.layers.0.self_attn.v_proj.weight')!.shape).toEqual([16, 32]);
    const stable = await file(mean('stablelm'), counting('blk.0.attn_q_norm.weight', [4, 8]));
    const head = await stable.read('model.layers.0.self_attn.q_layernorm.norms.3.weight');
    expect([...head]).toEqual([24, 25, 26, 27, 28, 29, 30, 31]);
    expect(stable.config).toMatchObject({ qk_layernorm: true, use_parallel_residual: true });
  });

  it('order the joint projection of Falcon 40B by group again, and give each part its norm', async () => {
    const made = await file(
      [...mean('falcon'), ['falcon.attention.head_count_kv', 2], ['falcon.tensor_data_layout', 'jploski']],
      counting('blk.0.attn_qkv.weight', [64, 1]),
      counting('blk.0.attn_norm.weight', [32]),
      counting('blk.0.attn_norm_2.weight', [32]),
    );
    const rows = await made.read('transformer.h.0.self_attention.query_key_value.weight');
    // Two query heads of eight rows, a key head and a value head of each group.
    expect([0, 8, 16, 24, 32, 40, 48, 56].map((row) => rows[row])).toEqual([0, 8, 32, 48, 16, 24, 40, 56]);
    expect([...made.tensors.keys()]).toEqual(
      expect.arrayContaining(['transformer.h.0.ln_mlp.weight', 'transformer.h.0.ln_attn.weight']),
    );
    expect(made.config).toMatchObject({ new_decoder_architecture: true, num_kv_heads: 2, num_ln_in_parallel_attn: 2 });
  });

  it('leave out the blocks that predict further tokens, and count the model without them', async () => {
    const made = await file(
      [...rms('qwen3'), ['qwen3.nextn_predict_layers', 1]],
      counting('blk.1.attn_norm.weight', [32]),
      counting('blk.2.nextn.enorm.weight', [32]),
    );
    expect(made.config.num_hidden_layers).toBe(2);
    expect([...made.tensors.keys()]).toEqual(['model.embed_tokens.weight', 'model.layers.1.input_layernorm.weight']);
  });

  it('may write out the temperature that YaRN implies, no other', async () => {
    const yarn = (temperature: number): Metadata => [
      ...rms('qwen3'),
      ['qwen3.rope.scaling.type', 'yarn'],
      ['qwen3.rope.scaling.factor', { float: 8 }],
      ['qwen3.rope.scaling.yarn_attn_factor', { float: temperature }],
    ];
    expect((await file(yarn(0.1 * Math.log(8) + 1))).config.rope_scaling).toEqual({ rope_type: 'yarn', factor: 8 });
    await expect(file(yarn(1.5))).rejects.toThrow(
      '"qwen3.rope.scaling.yarn_attn_factor" expected 1, or 1.2079441541679836 as the factor implies, got 1.5',
    );
  });

  it('of DeepSeek may join the last projection and not say the groups, but need the router of V3', async () => {
    const p = 'deepseek2';
    const meta: Metadata = [
      ...rms(p),
      [`${p}.attention.key_length`, 10],
      [`${p}.attention.value_length`, 8],
      [`${p}.attention.kv_lora_rank`, 32],
      [`${p}.rope.dimension_count`, 4],
      [`${p}.expert_count`, 256],
      [`${p}.expert_used_count`, 8],
      [`${p}.expert_feed_forward_length`, 24],
      [`${p}.expert_shared_count`, 1],
      [`${p}.rope.scaling.type`, 'yarn'],
      [`${p}.rope.scaling.factor`, { float: 40 }],
      [`${p}.rope.scaling.original_context_length`, 64],
      [`${p}.rope.scaling.yarn_log_multiplier`, { float: 0.1 }],
    ];
    const joined = counting('blk.0.attn_kv_b.weight', [56, 32]);
    const made = await file(meta, joined, counting('blk.0.exp_probs_b.bias', [256]));
    expect((await made.read('model.layers.0.self_attn.kv_b_proj.weight')).length).toBe(56 * 32);
    expect(made.config).toMatchObject({
      q_lora_rank: null,
      n_group: 8,
      topk_group: 4,
      qk_nope_head_dim: 6,
      rope_scaling: { rope_type: 'yarn', factor: 40, mscale: 1, mscale_all_dim: 1 },
    });
    await expect(file(meta, joined)).rejects.toThrow('"exp_probs_b.bias", the router of DeepSeek-V3');
  });

  it('of masked diffusion models see in both directions, under the names of their own layouts', async () => {
    const own = (p: string): Metadata => [
      ...rms(p),
      [`${p}.attention.head_count_kv`, 2],
      [`${p}.attention.causal`, false],
      ['tokenizer.ggml.mask_token_id', 3],
    ];
    const dream = await file(own('dream'), counting('blk.0.attn_q.bias', [32]));
    expect([...(await dream.read('model.layers.0.self_attn.q_proj.bias'))]).toEqual(range(0, 32));
    expect(dream.config).toMatchObject({ model_type: 'Dream', mask_token_id: 3, num_key_value_heads: 2 });
    const llada = await file(
      [...own('llada'), ['diffusion.shift_logits', false]],
      counting('blk.0.attn_k.weight', [16, 1]),
      counting('blk.0.ffn_down.weight', [1, 48]),
    );
    const keys = await llada.read('model.transformer.blocks.0.k_proj.weight');
    expect([...keys]).toEqual([0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15]);
    expect(llada.tensors.has('model.transformer.blocks.0.ff_out.weight')).toBe(true);
    expect(llada.config).toMatchObject({ model_type: 'llada', n_kv_heads: 2, mlp_hidden_size: 48, weight_tying: true });
    await expect(file([...rms('dream'), ['dream.attention.causal', true]])).rejects.toThrow(
      '"dream.attention.causal" expected false, got true',
    );
  });

  it('refuse what they do not say and what nobody writes', async () => {
    const swa: Metadata = [
      ...rms('granite_swa'),
      ['granite_swa.attention.scale', { float: 1 }],
      ['granite_swa.attention.sliding_window', 4],
      ['granite_swa.attention.sliding_window_pattern', { bools: [true, true, true] }],
    ];
    await expect(file(swa)).rejects.toThrow(
      '"granite_swa.attention.rope_pattern" expected a list of 3 of true, false, got nothing',
    );
    await expect(file(rms('gptj'))).rejects.toThrow('architecture "gptj" is not supported (known: llama, qwen2,');
  });
});
