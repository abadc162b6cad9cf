import type { DecoderFamily } from '../family.ts';
import { readQwenExperts } from '../parts/qwen-experts.ts';
import { qwenHybrid } from '../parts/qwen-hybrid.ts';

export const family: DecoderFamily = {
  name: 'qwen3_next',
  modelTypes: ['qwen3_next'],
  title: 'Qwen3-Next',
  source: '2505.06708',
  about:
    'Gated delta nets, gated attention in every fourth layer, many small experts beside one that every token uses.',
  gguf: ['qwen3next'],
  sinks: {
    kind: 'gated output',
    stored: 'self_attn.q_proj.weight [H, 2 · D, M]',
    about: 'In the softmax layers: σ of a second half of the query projection, for each channel of each head.',
  },
  limits: ['It cannot be streamed yet: most layers keep a state.'],
  build: (config) =>
    qwenHybrid(config, {
      family: 'qwen3_next',
      packed: 'by-head',
      feedForward: (c, sizes) => readQwenExperts(c, sizes, 'silu', { chosen: 10, normed: true, shared: true }),
    }),
};
