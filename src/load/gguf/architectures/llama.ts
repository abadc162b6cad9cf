import type { ConfigReader } from '../../config.ts';
import type { Architecture } from '../architecture.ts';
import { type Config, type GgufFacts, optional, readExperts, rmsConfig, size } from '../metadata.ts';
import * as names from '../names.ts';
import { halfSplit, stacked, type Targets } from '../recipe.ts';

const permutedAttention: Targets = Object.fromEntries(
  ['weight', 'bias'].flatMap((kind) => [
    [`blk.#.attn_q.${kind}`, halfSplit(`model.layers.#.self_attn.q_proj.${kind}`, 'num_attention_heads')],
    [`blk.#.attn_k.${kind}`, halfSplit(`model.layers.#.self_attn.k_proj.${kind}`, 'num_key_value_heads')],
  ]),
);

/** Llama's tensors with neighbours as rotary pairs. */
export const permuted: Targets = { ...names.llama, ...permutedAttention };

const expert = 'model.layers.#.block_sparse_moe.experts.*';
const mixtral: Targets = {
  'blk.#.ffn_gate_inp.weight': 'model.layers.#.block_sparse_moe.gate.weight',
  'blk.#.ffn_gate_exps.weight': stacked(`${expert}.w1.weight`, 'num_local_experts'),
  'blk.#.ffn_down_exps.weight': stacked(`${expert}.w2.weight`, 'num_local_experts'),
  'blk.#.ffn_up_exps.weight': stacked(`${expert}.w3.weight`, 'num_local_experts'),
  // The first files have them one by one.
  'blk.#.ffn_gate.*.weight': `${expert}.w1.weight`,
  'blk.#.ffn_down.*.weight': `${expert}.w2.weight`,
  'blk.#.ffn_up.*.weight': `${expert}.w3.weight`,
};

function llamaConfig(c: ConfigReader, facts: GgufFacts): Config {
  const config = { ...rmsConfig(c, facts), hidden_act: 'silu' };
  c.ignore(['llama.tensor_data_layout']);
  const window = c.int('llama.attention.sliding_window', { ...size, default: undefined });
  if (c.int('llama.expert_count', { max: 4096, default: 0 }) > 0) {
    const { count, used } = readExperts(c, 'llama');
    return {
      ...config,
      model_type: 'mixtral',
      num_local_experts: count,
      num_experts_per_tok: used,
      ...(window !== undefined && { sliding_window: window }),
    };
  }
  c.oneOf('llama.expert_used_count', [0], { default: 0 });
  if (window !== undefined) return { ...config, model_type: 'mistral', sliding_window: window };
  return {
    ...config,
    model_type: 'llama',
    attention_bias: facts.has('blk.0.attn_q.bias'),
    mlp_bias: facts.has('blk.0.ffn_up.bias'),
  };
}

/** Llama, Mistral and Mixtral. */
export const llama: Architecture = { targets: { ...permuted, ...mixtral }, config: llamaConfig, interleaved: true };

function graniteConfig(c: ConfigReader, facts: GgufFacts): Config {
  const p = facts.architecture;
  return {
    ...rmsConfig(c, facts),
    hidden_act: 'silu',
    attention_bias: facts.has('blk.0.attn_q.bias'),
    mlp_bias: facts.has('blk.0.ffn_up.bias'),
    attention_multiplier: optional(c, `${p}.attention.scale`) ?? missing(c, `${p}.attention.scale`),
    embedding_multiplier: optional(c, `${p}.embedding_scale`) ?? 1,
    residual_multiplier: optional(c, `${p}.residual_scale`) ?? 1,
    logits_scaling: optional(c, `${p}.logit_scale`) ?? 1,
  };
}

function missing(c: ConfigReader, key: string): never {
  throw c.error(key, 'a number');
}

export const granite: Architecture = {
  targets: permuted,
  config: (c, facts) => ({ ...graniteConfig(c, facts), model_type: 'granite' }),
  interleaved: true,
};

export const graniteSwa: Architecture = {
  targets: { ...permuted, 'blk.#.attn_sinks.weight': 'model.layers.#.self_attn.sinks' },
  config(c, facts) {
    const config = graniteConfig(c, facts);
    const layers = config.num_hidden_layers as number;
    // Files without this list do not say which layers are told no positions.
    const turned = c.list('granite_swa.attention.rope_pattern', [true, false], { length: layers });
    const windowed = c.list('granite_swa.attention.sliding_window_pattern', [true, false], { length: layers });
    return {
      ...config,
      model_type: 'granite_swa',
      layer_rope_theta: turned.map((one) => (one ? config.rope_theta : 0)),
      layer_types: windowed.map((one) => (one ? 'sliding_attention' : 'full_attention')),
      sliding_window: c.int('granite_swa.attention.sliding_window', size),
    };
  },
  interleaved: true,
};

export const smollm3: Architecture = {
  targets: permuted,
  config: (c, facts) => ({
    ...rmsConfig(c, facts),
    model_type: 'smollm3',
    hidden_act: 'silu',
    attention_bias: facts.has('blk.0.attn_q.bias'),
    mlp_bias: facts.has('blk.0.ffn_up.bias'),
    // Not in the file: every fourth layer of all releases is without RoPE, none has a window.
    no_rope_layer_interval: 4,
  }),
  interleaved: true,
};
