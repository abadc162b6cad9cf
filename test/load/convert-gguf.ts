/** What llama.cpp's converter does to checkpoints, written anew for the tests. */
import type { Checkpoint } from '../../src/load/checkpoint.ts';
import type { GgufTensor } from './build-gguf.ts';

/** What llama.cpp's converter does to the rows of Llama's queries and keys: [H, 2, D/2] to [H, D/2, 2]. */
export function interleave(values: Float32Array, rows: number, heads: number): Float32Array {
  const width = values.length / rows;
  const half = rows / heads / 2;
  return Float32Array.from(values, (_, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    const [head, pair, part] = [Math.floor(row / (2 * half)), Math.floor((row % (2 * half)) / 2), row % 2];
    return values[((head * 2 + part) * half + pair) * width + column]!;
  });
}

/** [rows, columns] to [columns, rows]. */
export function transpose(values: Float32Array, rows: number): Float32Array {
  const columns = values.length / rows;
  return Float32Array.from(values, (_, at) => values[(at % rows) * columns + Math.floor(at / rows)]!);
}

type Change = (name: string, values: Float32Array, shape: readonly number[]) => GgufTensor[] | undefined;

/** A checkpoint under other names, as the converter would write it; tensors that come to one name are stacked in the order of their last number. */
export async function converted(
  reference: Checkpoint,
  names: Record<string, string>,
  change: Change = () => undefined,
): Promise<GgufTensor[]> {
  const found = new Map<string, { index: number; values: Float32Array; shape: readonly number[] }[]>();
  for (const [name, { shape }] of reference.tensors) {
    const numbers = name.match(/(?<=\.)\d+(?=\.)/g) ?? [];
    const pattern = names[name.replace(/(?<=\.)\d+(?=\.)/g, '#')];
    if (pattern === '') continue;
    const target = (pattern ?? `unknown ${name}`).replace('#', numbers[0] ?? '');
    const part = { index: Number(numbers[1] ?? 0), values: await reference.read(name), shape };
    found.set(target, [...(found.get(target) ?? []), part]);
  }
  return [...found].flatMap(([name, parts]) => {
    parts.sort((a, b) => a.index - b.index);
    const all = Float32Array.from(parts.flatMap(({ values }) => [...values]));
    const shape = parts.length === 1 ? parts[0]!.shape : [parts.length, ...parts[0]!.shape];
    return change(name, all, shape) ?? [{ name, shape, values: all }];
  });
}

/** Names of most decoders. */
export const decoder: Record<string, string> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
  'model.layers.#.input_layernorm.weight': 'blk.#.attn_norm.weight',
  'model.layers.#.post_attention_layernorm.weight': 'blk.#.post_attention_norm.weight',
  'model.layers.#.pre_feedforward_layernorm.weight': 'blk.#.ffn_norm.weight',
  'model.layers.#.post_feedforward_layernorm.weight': 'blk.#.post_ffw_norm.weight',
  'model.layers.#.self_attn.q_norm.weight': 'blk.#.attn_q_norm.weight',
  'model.layers.#.self_attn.k_norm.weight': 'blk.#.attn_k_norm.weight',
  'model.layers.#.self_attn.sinks': 'blk.#.attn_sinks.weight',
  'model.layers.#.mlp.router.weight': 'blk.#.ffn_gate_inp.weight',
  'model.layers.#.mlp.router.bias': 'blk.#.ffn_gate_inp.bias',
  'model.layers.#.mlp.experts.gate_up_proj': 'blk.#.ffn_gate_exps.weight',
  'model.layers.#.mlp.experts.gate_up_proj_bias': 'blk.#.ffn_gate_exps.bias',
  'model.layers.#.mlp.experts.down_proj': 'blk.#.ffn_down_exps.weight',
  'model.layers.#.mlp.experts.down_proj_bias': 'blk.#.ffn_down_exps.bias',
  'model.layers.#.mlp.gate_proj.weight': 'blk.#.ffn_gate.weight',
  'model.layers.#.mlp.up_proj.weight': 'blk.#.ffn_up.weight',
  'model.layers.#.mlp.down_proj.weight': 'blk.#.ffn_down.weight',
  'model.layers.#.mlp.gate_proj.bias': 'blk.#.ffn_gate.bias',
  'model.layers.#.mlp.up_proj.bias': 'blk.#.ffn_up.bias',
  'model.layers.#.mlp.down_proj.bias': 'blk.#.ffn_down.bias',
};
for (const [hub, ggml] of Object.entries({
  q_proj: 'attn_q',
  k_proj: 'attn_k',
  v_proj: 'attn_v',
  o_proj: 'attn_output',
})) {
  for (const kind of ['weight', 'bias']) decoder[`model.layers.#.self_attn.${hub}.${kind}`] = `blk.#.${ggml}.${kind}`;
}

/** Rows in another order: `order` gives for each row of the result the row it was. */
export function pickRows(values: Float32Array, order: readonly number[]): Float32Array {
  const width = values.length / order.length;
  return Float32Array.from(values, (_, at) => values[order[Math.floor(at / width)]! * width + (at % width)]!);
}

/** Whole numbers from `start`. */
export const range = (start: number, count: number) => Array.from({ length: count }, (_, i) => start + i);

/** Rows of a joint projection, [G, R queries + key + value, D], as the converter has them: all queries, all keys, all values. */
export function allQueriesFirst(groups: number, R: number, D: number): number[] {
  const heads = (parts: readonly number[]) =>
    range(0, groups).flatMap((group) => parts.flatMap((part) => range((group * (R + 2) + part) * D, D)));
  return [...heads(range(0, R)), ...heads([R]), ...heads([R + 1])];
}

/** Rows of value heads, [Hk, R, D], with the keys' index last but one, [R, Hk, D], behind rows that stay. */
export function tiled(keyHeads: number, R: number, D: number, before = 0): number[] {
  const heads = range(0, R).flatMap((r) => range(0, keyHeads).map((k) => k * R + r));
  return [...range(0, before), ...heads.flatMap((head) => range(before + head * D, D))];
}
