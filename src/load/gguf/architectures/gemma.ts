import type { Architecture } from '../architecture.ts';
import { type Config, layerTypes, optional, rmsConfig, size, written } from '../metadata.ts';
import * as names from '../names.ts';

const sandwich = {
  ...names.ends,
  ...names.attention,
  ...names.headNorms,
  ...names.gatedMlp,
  'blk.#.attn_norm.weight': 'model.layers.#.input_layernorm.weight',
  'blk.#.post_attention_norm.weight': 'model.layers.#.post_attention_layernorm.weight',
  'blk.#.ffn_norm.weight': 'model.layers.#.pre_feedforward_layernorm.weight',
  'blk.#.post_ffw_norm.weight': 'model.layers.#.post_feedforward_layernorm.weight',
};

/** Not in the file: the head width, but the width per head in the one model of so many layers (27B). */
function scoreScalar(
  { hidden_size: width, num_attention_heads: heads, num_hidden_layers: layers, head_dim }: Config,
  largest: number,
) {
  return layers === largest ? (width as number) / (heads as number) : head_dim;
}

export const gemma: Architecture = {
  targets: names.withOffsetNorms(names.llama),
  config: (c, facts) => ({ ...rmsConfig(c, facts), model_type: 'gemma', hidden_act: 'gelu_pytorch_tanh' }),
};

export const gemma2: Architecture = {
  targets: names.withOffsetNorms(sandwich),
  config(c, facts) {
    const config = rmsConfig(c, facts);
    const cap = (key: string) => optional(c, `gemma2.${key}`) ?? null;
    return {
      ...config,
      model_type: 'gemma2',
      hidden_activation: 'gelu_pytorch_tanh',
      attn_logit_softcapping: cap('attn_logit_softcapping'),
      final_logit_softcapping: cap('final_logit_softcapping'),
      query_pre_attn_scalar: scoreScalar(config, 46),
      sliding_window: c.int('gemma2.attention.sliding_window', size),
    };
  },
};

export const gemma3: Architecture = {
  targets: names.withOffsetNorms(sandwich),
  config(c, facts) {
    const config = rmsConfig(c, facts);
    const softcap = optional(c, 'gemma3.final_logit_softcapping');
    return {
      ...config,
      model_type: 'gemma3_text',
      attention_bias: facts.has('blk.0.attn_q.bias'),
      hidden_activation: 'gelu_pytorch_tanh',
      layer_types: layerTypes(c, 'gemma3', config.num_hidden_layers as number, 6),
      query_pre_attn_scalar: scoreScalar(config, 62),
      rope_local_base_freq: written(c.number('gemma3.rope.freq_base_swa', { min: 1, default: 10_000 })),
      sliding_window: c.int('gemma3.attention.sliding_window', size),
      ...(softcap !== undefined && { final_logit_softcapping: softcap }),
    };
  },
};
