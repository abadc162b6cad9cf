import type { DecoderFamily } from '../family.ts';
import { readQwenExperts } from '../parts/qwen-experts.ts';
import { qwen3Decoder } from '../parts/qwen3-decoder.ts';

export const family: DecoderFamily = {
  name: 'qwen3_moe',
  modelTypes: ['qwen3_moe'],
  title: 'Qwen3 mixtures',
  source: '2505.09388',
  about: 'Qwen3 with experts for the feed-forward part of all layers, or of some.',
  gguf: ['qwen3moe'],
  build: (c) =>
    qwen3Decoder(c, {
      family: 'qwen3_moe',
      windows(c) {
        // The window is that of all layers or of none, whatever max_window_layers says.
        const windowed = c.bool('use_sliding_window', { default: false });
        const written = c.int('sliding_window', { min: 1, default: 4096 });
        c.ignore(['max_window_layers']);
        return () => (windowed ? written : undefined);
      },
      feedForward: (c, sizes, activation) => readQwenExperts(c, sizes, activation, { chosen: 8, normed: false }),
    }),
};
