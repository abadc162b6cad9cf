import type { Architecture } from '../architecture.ts';
import { expertFeatures, layerTypes, readExperts, rmsConfig, size } from '../metadata.ts';
import * as names from '../names.ts';
import { both, partOf, type Target, transposed } from '../recipe.ts';
import { restoreGateUp } from '../restore.ts';

/** Gate and up are one tensor in the checkpoint. */
function gateUp(name: string, kind: 'weight' | 'bias'): Target {
  return ({ info, find, divides, fail }) => {
    const up = find(`blk.#.ffn_up_exps.${kind}`);
    const { shape } = info;
    if (up === undefined || up.shape.join() !== shape.join())
      return fail('needs its partner ffn_up_exps of the same shape');
    divides(shape.length === (kind === 'bias' ? 2 : 3), 'experts');
    const [experts, features, width] = shape as [number, number, number?];
    return [
      {
        name,
        parts: [info, up],
        shape: width === undefined ? [experts, 2 * features] : [experts, width, 2 * features],
        restore: restoreGateUp(shape),
      },
    ];
  };
}

const experts = 'model.layers.#.mlp.experts';

export const gptOss: Architecture = {
  targets: {
    ...names.ends,
    ...names.attention,
    ...names.normsByPlace,
    'blk.#.attn_sinks.weight': 'model.layers.#.self_attn.sinks',
    ...both('blk.#.ffn_gate_inp', 'model.layers.#.mlp.router'),
    'blk.#.ffn_gate_exps.weight': gateUp(`${experts}.gate_up_proj`, 'weight'),
    'blk.#.ffn_gate_exps.bias': gateUp(`${experts}.gate_up_proj_bias`, 'bias'),
    'blk.#.ffn_up_exps.weight': partOf('blk.#.ffn_gate_exps.weight'),
    'blk.#.ffn_up_exps.bias': partOf('blk.#.ffn_gate_exps.bias'),
    'blk.#.ffn_down_exps.weight': transposed(`${experts}.down_proj`, 3),
    'blk.#.ffn_down_exps.bias': `${experts}.down_proj_bias`,
  },
  config(c, facts) {
    const config = rmsConfig(c, facts, { truncate: false });
    const { count, used } = readExperts(c, 'gpt-oss');
    return {
      ...config,
      model_type: 'gpt_oss',
      attention_bias: true,
      hidden_act: 'silu',
      intermediate_size: expertFeatures(c, 'gpt-oss', config.intermediate_size),
      layer_types: layerTypes(c, 'gpt-oss', config.num_hidden_layers as number, 2),
      num_experts_per_tok: used,
      num_local_experts: count,
      sliding_window: c.int('gpt-oss.attention.sliding_window', size),
      swiglu_limit: 7,
    };
  },
};
