/** Qwen3-Next and Qwen3.5: gated delta nets with gated attention in every fourth layer. */
import type { ConfigReader } from '../../config.ts';
import type { Architecture } from '../architecture.ts';
import { type Config, expertFeatures, type GgufFacts, readExperts, rmsConfig, size } from '../metadata.ts';
import * as names from '../names.ts';
import { changed, partOf, reordered, reshaped, type Site, type Target, type Targets } from '../recipe.ts';
import { groupedHeads, headsByPart, takeColumns, takeRows } from '../restore.ts';

const linear = 'model.layers.#.linear_attn';

const common: Targets = {
  ...names.withOffsetNorms({ ...names.ends, ...names.headNorms, ...names.normsByPlace }),
  ...names.attention,
  'blk.#.ssm_norm.weight': `${linear}.norm.weight`,
};

/** −exp(A_log) is what the file has. */
const decays = (from: Float32Array<ArrayBuffer>) => from.map((value) => Math.log(-value));
const convolution = ([channels, ...taps]: readonly number[]) => [channels!, 1, ...taps];

function sizesOf({ count }: Pick<Site, 'count'>) {
  return {
    groups: count('linear_num_key_heads'),
    heads: count('linear_num_value_heads'),
    keyWidth: count('linear_key_head_dim'),
    valueWidth: count('linear_value_head_dim'),
  };
}

/** Queries, keys, values and gates [Hk, (q, k, v, z), M] from all queries, keys and values, and all gates. */
const withGates: Target = (site) => {
  const { info, find, divides, fail } = site;
  const gates = find('blk.#.attn_gate.weight');
  if (gates === undefined) return fail('needs its partner attn_gate');
  const { groups, heads, keyWidth, valueWidth } = sizesOf(site);
  const width = info.shape[1]!;
  const together = info.shape[0]! + gates.shape[0]!;
  const whole = together === 2 * groups * keyWidth + 2 * heads * valueWidth;
  divides(info.shape.length === 2 && gates.shape[1] === width && whole, 'heads like those of attn_gate');
  const gated = (heads / groups) * valueWidth;
  const rows = headsByPart(groups, [keyWidth, keyWidth, gated, gated]);
  const restore = ([first, second]: readonly Float32Array<ArrayBuffer>[]) => {
    const all = new Float32Array(together * width);
    all.set(first!);
    all.set(second!, first!.length);
    return takeRows(all, rows);
  };
  return [{ name: `${linear}.in_proj_qkvz.weight`, parts: [info, gates], shape: [together, width], restore }];
};

function hybridConfig(c: ConfigReader, facts: GgufFacts): Config {
  const p = facts.architecture;
  const config = rmsConfig(c, facts);
  const layers = config.num_hidden_layers as number;
  const every = c.int(`${p}.full_attention_interval`, { ...size, default: 4 });
  const rule = Array.from({ length: layers }, (_, layer) => (layer + 1) % every !== 0);
  const isLinear = c.list(`${p}.attention.recurrent_layers`, [true, false], { default: rule }).slice(0, layers);
  const heads = c.int(`${p}.ssm.time_step_rank`, size);
  const groups = c.int(`${p}.ssm.group_count`, size);
  if (heads % groups !== 0) throw c.error(`${p}.ssm.group_count`, `a divisor of ssm.time_step_rank, ${heads}`);
  const inner = c.int(`${p}.ssm.inner_size`, size);
  if (inner % heads !== 0) throw c.error(`${p}.ssm.inner_size`, `a multiple of ssm.time_step_rank, ${heads}`);
  return {
    partial_rotary_factor: 1,
    ...config,
    hidden_act: 'silu',
    attention_bias: false,
    layer_types: isLinear.map((one) => (one ? 'linear_attention' : 'full_attention')),
    linear_conv_kernel_dim: c.int(`${p}.ssm.conv_kernel`, size),
    linear_key_head_dim: c.int(`${p}.ssm.state_size`, size),
    linear_num_key_heads: groups,
    linear_num_value_heads: heads,
    linear_value_head_dim: inner / heads,
  };
}

const shared = 'model.layers.#.mlp.shared_expert';

export const qwen3next: Architecture = {
  targets: {
    ...common,
    ...names.experts('num_experts'),
    'blk.#.ffn_gate_inp_shexp.weight': reshaped(`${shared}_gate.weight`, (stored) => [1, stored.at(-1)!]),
    'blk.#.ffn_gate_shexp.weight': `${shared}.gate_proj.weight`,
    'blk.#.ffn_up_shexp.weight': `${shared}.up_proj.weight`,
    'blk.#.ffn_down_shexp.weight': `${shared}.down_proj.weight`,
    'blk.#.ssm_a': changed(`${linear}.A_log`, ([from]) => decays(from!)),
    'blk.#.ssm_dt.bias': `${linear}.dt_bias`,
    'blk.#.ssm_conv1d.weight': reshaped(`${linear}.conv1d.weight`, convolution),
    'blk.#.ssm_ba.weight': `${linear}.in_proj_ba.weight`,
    'blk.#.ssm_out.weight': `${linear}.out_proj.weight`,
    'blk.#.attn_qkv.weight': withGates,
    'blk.#.attn_gate.weight': partOf('blk.#.attn_qkv.weight'),
    // The first files have it as the checkpoint does.
    'blk.#.ssm_in.weight': `${linear}.in_proj_qkvz.weight`,
  },
  config(c, facts) {
    const { count, used } = readExperts(c, 'qwen3next');
    return {
      ...hybridConfig(c, facts),
      model_type: 'qwen3_next',
      moe_intermediate_size: expertFeatures(c, 'qwen3next'),
      norm_topk_prob: true,
      num_experts: count,
      num_experts_per_tok: used,
      shared_expert_intermediate_size: c.int('qwen3next.expert_shared_feed_forward_length', size),
    };
  },
};

/** Rows of value heads, [R, Hk] in the file and [Hk, R] in the checkpoint, behind rows that stay. */
function valueRows(site: Site, width: number, before = 0): Int32Array {
  const { groups, heads } = sizesOf(site);
  site.divides(site.info.shape[0] === before + heads * width, `${heads} heads of ${width}`);
  return groupedHeads(groups, heads / groups, width, before);
}

/** The same on columns. */
const valueColumns: Target = (site) => {
  const { info, divides } = site;
  const { groups, heads, valueWidth } = sizesOf(site);
  divides(info.shape[1] === heads * valueWidth, `${heads} heads of ${valueWidth} columns`);
  const columns = groupedHeads(groups, heads / groups, valueWidth);
  const name = `${linear}.out_proj.weight`;
  return [{ name, parts: [info], shape: info.shape, restore: ([from]) => takeColumns(from!, columns) }];
};

/** Rows behind those of all queries and keys. */
const behindKeys = (site: Site) => {
  const { groups, keyWidth, valueWidth } = sizesOf(site);
  return valueRows(site, valueWidth, 2 * groups * keyWidth);
};

export const qwen35: Architecture = {
  targets: {
    ...common,
    ...names.gatedMlp,
    'blk.#.ssm_a': (site) => {
      const rows = valueRows(site, 1);
      const { info } = site;
      return [
        {
          name: `${linear}.A_log`,
          parts: [info],
          shape: info.shape,
          restore: ([from]) => takeRows(decays(from!), rows),
        },
      ];
    },
    'blk.#.ssm_dt.bias': reordered(`${linear}.dt_bias`, (site) => valueRows(site, 1)),
    'blk.#.ssm_conv1d.weight': (site) => {
      const rows = behindKeys(site);
      const { info } = site;
      const shape = convolution(info.shape);
      return [{ name: `${linear}.conv1d.weight`, parts: [info], shape, restore: ([from]) => takeRows(from!, rows) }];
    },
    'blk.#.ssm_alpha.weight': reordered(`${linear}.in_proj_a.weight`, (site) => valueRows(site, 1)),
    'blk.#.ssm_beta.weight': reordered(`${linear}.in_proj_b.weight`, (site) => valueRows(site, 1)),
    'blk.#.attn_qkv.weight': reordered(`${linear}.in_proj_qkv.weight`, behindKeys),
    'blk.#.attn_gate.weight': reordered(`${linear}.in_proj_z.weight`, (site) =>
      valueRows(site, sizesOf(site).valueWidth),
    ),
    'blk.#.ssm_out.weight': valueColumns,
  },
  config(c, facts) {
    // Text has one position in all three parts.
    c.ints('qwen35.rope.dimension_sections', { default: undefined });
    return { ...hybridConfig(c, facts), model_type: 'qwen3_5_text' };
  },
};
