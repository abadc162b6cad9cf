import type { Family } from '../family.ts';
import { readQwenExperts } from '../parts/qwen-experts.ts';
import { qwenHybrid } from '../parts/qwen-hybrid.ts';

/** Qwen3-Next: gated delta nets, gated attention (2505.06708) in every fourth layer, many small experts beside one that every token uses. */
export const family: Family = {
  name: 'qwen3_next',
  modelTypes: ['qwen3_next'],
  build: (config) =>
    qwenHybrid(config, {
      family: 'qwen3_next',
      packed: 'by-head',
      feedForward: (c, sizes) => readQwenExperts(c, sizes, 'silu', { chosen: 10, normed: true, shared: true }),
    }),
};
