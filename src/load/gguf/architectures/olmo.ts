import type { Architecture } from '../architecture.ts';
import { decoderConfig, layerTypes, optional, readExperts, rmsConfig, size } from '../metadata.ts';
import * as names from '../names.ts';
import { permuted } from './llama.ts';

const {
  'output_norm.weight': _last,
  'blk.#.attn_norm.weight': _first,
  'blk.#.ffn_norm.weight': _second,
  ...unnormed
} = permuted;

/** Norms without parameters. */
export const olmo: Architecture = {
  targets: unnormed,
  config(c, facts) {
    c.oneOf('olmo.attention.layer_norm_epsilon', [Math.fround(1e-5)], { default: undefined });
    const limit = optional(c, 'olmo.attention.clamp_kqv');
    return {
      ...decoderConfig(c, facts),
      model_type: 'olmo',
      hidden_act: 'silu',
      ...(limit !== undefined && { clip_qkv: limit }),
    };
  },
  interleaved: true,
};

/** OLMo 2, and OLMo 3 where there is a window. */
export const olmo2: Architecture = {
  targets: {
    ...names.ends,
    ...names.attention,
    ...names.headNorms,
    ...names.gatedMlp,
    'blk.#.post_attention_norm.weight': 'model.layers.#.post_attention_layernorm.weight',
    'blk.#.post_ffw_norm.weight': 'model.layers.#.post_feedforward_layernorm.weight',
  },
  config(c, facts) {
    const {
      rope_theta: theta,
      rope_scaling: scaling,
      ...config
    } = { ...rmsConfig(c, facts), hidden_act: 'silu' } as Record<string, unknown>;
    const rope = { rope_theta: theta, ...(scaling !== undefined && { rope_scaling: scaling }) };
    const window = c.int('olmo2.attention.sliding_window', { ...size, default: undefined });
    if (window === undefined) return { ...config, ...rope, model_type: 'olmo2' };
    c.number('olmo2.rope.freq_base_swa', { min: theta as number, max: theta as number, default: theta as number });
    return {
      ...config,
      ...rope,
      model_type: 'olmo3',
      layer_types: layerTypes(c, 'olmo2', config.num_hidden_layers as number, 4),
      sliding_window: window,
    };
  },
};

export const olmoe: Architecture = {
  targets: names.mixture,
  config(c, facts) {
    const { count, used } = readExperts(c, 'olmoe');
    return {
      ...rmsConfig(c, facts),
      model_type: 'olmoe',
      hidden_act: 'silu',
      num_experts: count,
      num_experts_per_tok: used,
      norm_topk_prob: false,
    };
  },
};
