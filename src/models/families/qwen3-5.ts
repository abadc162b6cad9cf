import type { DecoderFamily } from '../family.ts';
import { qwenHybrid } from '../parts/qwen-hybrid.ts';

export const family: DecoderFamily = {
  name: 'qwen3_5',
  modelTypes: ['qwen3_5_text'],
  title: 'Qwen3.5',
  about: 'The text part: gated delta nets, and gated attention (2505.06708) in every fourth layer.',
  gguf: ['qwen35'],
  sinks: {
    kind: 'gated output',
    stored: 'self_attn.q_proj.weight [H, 2 · D, M]',
    about: 'In the softmax layers: σ of a second half of the query projection, for each channel of each head.',
  },
  limits: ['The text part alone; it cannot be streamed yet: most layers keep a state.'],
  build: (config) => qwenHybrid(config, { family: 'qwen3_5', packed: 'by-part' }),
};
