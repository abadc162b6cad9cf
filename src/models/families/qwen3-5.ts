import type { Family } from '../family.ts';
import { qwenHybrid } from '../parts/qwen-hybrid.ts';

/** The text part of Qwen3.5: gated delta nets, and gated attention (2505.06708) in every fourth layer. */
export const family: Family = {
  name: 'qwen3_5',
  modelTypes: ['qwen3_5_text'],
  build: (config) => qwenHybrid(config, { family: 'qwen3_5', packed: 'by-part' }),
};
