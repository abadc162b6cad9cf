import type { DecoderFamily } from '../family.ts';
import { readQwenWindows } from '../parts/config.ts';
import { qwen3Decoder } from '../parts/qwen3-decoder.ts';

export const family: DecoderFamily = {
  name: 'qwen3',
  modelTypes: ['qwen3'],
  title: 'Qwen3',
  source: '2505.09388',
  about: 'A norm over each query and key head before RoPE; a head width of its own.',
  gguf: ['qwen3'],
  build: (c) =>
    qwen3Decoder(c, {
      family: 'qwen3',
      windows(c, { L }) {
        const windows = readQwenWindows(c, L);
        return (layer) => windows[layer];
      },
    }),
};
