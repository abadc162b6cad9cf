import type { Architecture } from '../architecture.ts';
import { expertFeatures, readExperts, rmsConfig } from '../metadata.ts';
import * as names from '../names.ts';

export const qwen2: Architecture = {
  targets: names.llama,
  config: (c, facts) => ({
    ...rmsConfig(c, facts),
    model_type: 'qwen2',
    hidden_act: 'silu',
    use_sliding_window: false,
  }),
};

export const qwen3: Architecture = {
  targets: { ...names.llama, ...names.headNorms },
  config: (c, facts) => ({
    ...rmsConfig(c, facts),
    model_type: 'qwen3',
    hidden_act: 'silu',
    attention_bias: facts.has('blk.0.attn_q.bias'),
    use_sliding_window: false,
  }),
};

export const qwen3moe: Architecture = {
  targets: names.mixture,
  config(c, facts) {
    const { count, used } = readExperts(c, 'qwen3moe');
    return {
      ...rmsConfig(c, facts),
      model_type: 'qwen3_moe',
      hidden_act: 'silu',
      attention_bias: facts.has('blk.0.attn_q.bias'),
      num_experts: count,
      num_experts_per_tok: used,
      moe_intermediate_size: expertFeatures(c, 'qwen3moe'),
      // Not in the file; so in all releases.
      norm_topk_prob: true,
      use_sliding_window: false,
    };
  },
};
