import type { PatternSample } from '../report/result.ts';

/** Patterns of one layer, quantised for looking at: 0…255 of [0, 1], one byte a cell, base64. */
export async function packPatterns(
  layer: number,
  heads: number,
  T: number,
  values: ArrayLike<number>,
): Promise<PatternSample[]> {
  return Array.from({ length: heads }, (_, head) => {
    const bytes = new Uint8Array(T * T);
    for (let i = 0; i < bytes.length; i++)
      bytes[i] = Math.round(255 * Math.min(1, Math.max(0, values[head * T * T + i]!)));
    let text = '';
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return { layer, head, T, values: btoa(text) };
  });
}
