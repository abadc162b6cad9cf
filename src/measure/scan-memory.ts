import type { Model } from '../models/model.ts';
import type { ScanInput } from './scan.ts';

/**
 * Bytes that a scan takes at its peak, roughly: the runtime, the largest set of weights alive at once (token table or one layer, as stored
 * and as float32), the residual streams, keys and queries of one layer, and one chunk of patterns with its temporaries.
 */
export function scanMemory(
  model: Model,
  { page, texts = [] }: Pick<ScanInput, 'page' | 'texts'>,
  patterns = 0,
  chunk = 256,
): number {
  const { L, H, G, D, M } = model.decoder.sizes;
  const layers = new Map<string, number>();
  for (const [name, shape] of model.weightShapes) {
    const layer = /\.(\d+)\./.exec(name)?.[1] ?? name;
    layers.set(layer, (layers.get(layer) ?? 0) + 4 * shape.reduce((a, b) => a * b, 1));
  }
  const tokens = page.length + texts.reduce((total, { length }) => total + length, 0);
  const streams = 4 * tokens * M * 3;
  const heads = 4 * page.length * D * (4 * H + 4 * G);
  const scores = 4 * H * Math.min(chunk, page.length) * page.length * 4;
  const kept = L * H * patterns * patterns * 2 + H * patterns * patterns * 8;
  return 150e6 + 2 * Math.max(...layers.values()) + streams + heads + scores + kept;
}
