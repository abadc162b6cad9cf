import type { PatternSample } from './result.ts';

/**
 * Patterns of one layer, quantised for looking at: 0…255 of [0, 1], one byte a cell, base64.
 *
 * @param values [H, N, N], of which the first T queries and keys are kept.
 * @param sink [H, N] mass on the learned sink, where the layer has one.
 * @param N default T.
 */
export function packPatterns(
  layer: number,
  heads: number,
  T: number,
  values: Float64Array,
  sink?: Float64Array,
  N = T,
): PatternSample[] {
  const square = (head: number) => {
    const kept = new Float64Array(T * T);
    for (let t = 0; t < T; t++) {
      const row = (head * N + t) * N;
      kept.set(values.subarray(row, row + T), t * T);
    }
    return kept;
  };
  return Array.from({ length: heads }, (_, head) => ({
    layer,
    head,
    T,
    values: packed(square(head)),
    ...(sink ? { sink: packed(sink.subarray(head * N, head * N + T)) } : {}),
  }));
}

/** Shares as bytes, 0…255 of [0, 1], base64. */
export function packed(shares: Float64Array): string {
  const bytes = Uint8Array.from(shares, (share) => Math.round(255 * Math.min(1, Math.max(0, share))));
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}
