/** What the conversions of many families share: names, metadata and what is done to the values. */
import type { GgufTensor, Meta } from './build-gguf.ts';
import { decoder, interleave, pickRows, range, tiled } from './convert-gguf.ts';
import { sizes } from './gguf-support.ts';

export interface FamilyCase {
  readonly architecture: string;
  /** By what the checkpoint calls them; '' is left out. */
  readonly names: Record<string, string>;
  readonly meta: readonly (readonly [string, Meta])[];
  readonly change?: (name: string, values: Float32Array, shape: readonly number[]) => GgufTensor[] | undefined;
  /** The file has no output matrix. */
  readonly headless?: true;
  /** Largest difference from rounding. */
  readonly tolerance?: number;
  /** What no file says, as the fixture has it. */
  readonly unsaid?: Record<string, unknown>;
  /** Keys whose spelling differs from the fixture's, or that it leaves out. */
  readonly spelt?: readonly string[];
}

type Change = NonNullable<FamilyCase['change']>;
type Metadata = readonly (readonly [string, Meta])[];

export const layer = 'model.layers.#';
export const llama = { ...decoder, [`${layer}.post_attention_layernorm.weight`]: 'blk.#.ffn_norm.weight' };
export const experts = {
  [`${layer}.mlp.gate.weight`]: 'blk.#.ffn_gate_inp.weight',
  [`${layer}.mlp.experts.#.gate_proj.weight`]: 'blk.#.ffn_gate_exps.weight',
  [`${layer}.mlp.experts.#.up_proj.weight`]: 'blk.#.ffn_up_exps.weight',
  [`${layer}.mlp.experts.#.down_proj.weight`]: 'blk.#.ffn_down_exps.weight',
};
export const minimaxExperts = {
  [`${layer}.block_sparse_moe.gate.weight`]: 'blk.#.ffn_gate_inp.weight',
  [`${layer}.block_sparse_moe.experts.#.w1.weight`]: 'blk.#.ffn_gate_exps.weight',
  [`${layer}.block_sparse_moe.experts.#.w2.weight`]: 'blk.#.ffn_down_exps.weight',
  [`${layer}.block_sparse_moe.experts.#.w3.weight`]: 'blk.#.ffn_up_exps.weight',
};

/** Names of a weight and a bias. */
export const both = (names: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(names).flatMap(([from, to]) =>
      ['weight', 'bias'].map((kind) => [`${from}.${kind}`, `${to}.${kind}`]),
    ),
  );

export const layerNorms = both({
  'model.norm': 'output_norm',
  [`${layer}.input_layernorm`]: 'blk.#.attn_norm',
  [`${layer}.post_attention_layernorm`]: 'blk.#.ffn_norm',
});

export const reordered = (order: (name: string) => readonly number[] | undefined): Change => {
  return (name, values, shape) => {
    const rows = order(name);
    return rows && [{ name, shape, values: pickRows(values, rows) }];
  };
};

export const permuted: Change = (name, values, shape) =>
  /attn_[qk]\./.test(name)
    ? [{ name, shape, values: interleave(values, shape[0]!, name.includes('attn_q') ? 4 : 2) }]
    : undefined;

export const plusOne: Change = (name, values, shape) =>
  name.endsWith('norm.weight') && !name.includes('ssm')
    ? [{ name, shape, values: values.map((value) => value + 1) }]
    : undefined;

const keys = (p: string, list: Record<string, Meta>): Metadata =>
  Object.entries(list).map(([key, value]) => [`${p}.${key}`, value]);
export const rms = (epsilon: number) => ({ 'attention.layer_norm_rms_epsilon': { float: epsilon } });
export const mean = { 'attention.layer_norm_epsilon': { float: 1e-5 } };
export const grouped = { 'attention.head_count_kv': 2 };
export const lengths = { 'attention.key_length': 8, 'attention.value_length': 8 };
export const four = { expert_count: 4, expert_used_count: 2 };

export function family(
  architecture: string,
  list: Record<string, Meta>,
  more: Omit<FamilyCase, 'architecture' | 'meta'>,
) {
  const base = sizes(architecture).filter(([key]) => !(key.slice(architecture.length + 1) in list));
  return { architecture, meta: [...base, ...keys(architecture, list)], ...more };
}

/** Latent keys and values [H, Dk + Dv, C] as [H, C, Dk] and [H, Dv, C], H = 4, Dk = 6, Dv = 8, C = 10. */
export const latents: Change = (name, values) => {
  if (!name.includes('attn_kv_b')) return undefined;
  const at = (head: number, row: number, c: number) => values[(head * 14 + row) * 10 + c]!;
  const each = (rows: number, columns: number, value: (head: number, row: number, column: number) => number) =>
    Float32Array.from({ length: 4 * rows * columns }, (_, i) =>
      value(Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns),
    );
  return [
    { name: name.replace('kv_b', 'k_b'), shape: [4, 10, 6], values: each(10, 6, (h, c, d) => at(h, d, c)) },
    { name: name.replace('kv_b', 'v_b'), shape: [4, 8, 10], values: each(8, 10, (h, d, c) => at(h, 6 + d, c)) },
  ];
};

/** Delta nets of 2 key heads and 4 value heads of width 8. */
export const deltaNet = {
  ...lengths,
  ...grouped,
  block_count: 4,
  'ssm.conv_kernel': 4,
  'ssm.state_size': 8,
  'ssm.group_count': 2,
  'ssm.time_step_rank': 4,
  'ssm.inner_size': 32,
  full_attention_interval: 4,
  'rope.dimension_count': 2,
};
export const linear = `${layer}.linear_attn`;
export const deltaNames = {
  ...decoder,
  [`${linear}.A_log`]: 'blk.#.ssm_a',
  [`${linear}.dt_bias`]: 'blk.#.ssm_dt.bias',
  [`${linear}.conv1d.weight`]: 'blk.#.ssm_conv1d.weight',
  [`${linear}.norm.weight`]: 'blk.#.ssm_norm.weight',
  [`${linear}.out_proj.weight`]: 'blk.#.ssm_out.weight',
};
const delta: Change = (name, values, shape) => {
  if (name.endsWith('ssm_a')) return [{ name, shape, values: values.map((value) => -Math.exp(value)) }];
  if (name.includes('ssm_conv1d')) return [{ name, shape: [shape[0]!, shape[2]!], values }];
  return plusOne(name, values, shape);
};
/** [Hk, (q, k, 2 v, 2 z), M] to all queries, keys and values, and all gates. */
export const splitGates: Change = (name, values, shape) => {
  if (!name.includes('qkvz')) return delta(name, values, shape);
  const part = (start: number, rows: number) => range(0, 2).flatMap((group) => range(group * 48 + start, rows));
  const all = pickRows(values, [...part(0, 8), ...part(8, 8), ...part(16, 16), ...part(32, 16)]);
  return [
    { name: name.replace('qkvz', 'qkv'), shape: [64, 32], values: all.slice(0, 64 * 32) },
    { name: name.replace('qkvz', 'gate'), shape: [32, 32], values: all.slice(64 * 32) },
  ];
};
export const tiledValues: Change = (name, values, shape) => {
  const [first] = delta(name, values, shape) ?? [{ name, shape, values }];
  const made = first as { name: string; shape: readonly number[]; values: Float32Array };
  if (name.includes('ssm_out')) {
    const columns = tiled(2, 2, 8);
    return [{ ...made, values: values.map((_, at) => values[at - (at % 32) + columns[at % 32]!]!) }];
  }
  const rows = /ssm_(a$|dt|alpha|beta)/.test(name)
    ? tiled(2, 2, 1)
    : /attn_qkv|ssm_conv1d/.test(name)
      ? tiled(2, 2, 8, 32)
      : name.includes('attn_gate')
        ? tiled(2, 2, 8)
        : undefined;
  return [rows === undefined ? made : { ...made, values: pickRows(made.values, rows) }];
};

export const window = { 'attention.sliding_window': 6 };
export const sharedExpert = {
  [`${layer}.mlp.shared_expert_gate.weight`]: 'blk.#.ffn_gate_inp_shexp.weight',
  [`${layer}.mlp.shared_expert.gate_proj.weight`]: 'blk.#.ffn_gate_shexp.weight',
  [`${layer}.mlp.shared_expert.up_proj.weight`]: 'blk.#.ffn_up_shexp.weight',
  [`${layer}.mlp.shared_expert.down_proj.weight`]: 'blk.#.ffn_down_shexp.weight',
};
export const self = `${layer}.self_attn`;
