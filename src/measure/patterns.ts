import type { PatternSample } from './result.ts';

/**
 * Patterns of one layer, quantised for looking at: 0…255 of [0, 1], one byte a cell, base64.
 *
 * @param values [H, T, S] with S = T.
 * @param sink [H, T] mass on the learned sink, where the layer has one.
 */
export function packPatterns(
  layer: number,
  heads: number,
  T: number,
  values: Float64Array,
  sink?: Float64Array,
): PatternSample[] {
  return Array.from({ length: heads }, (_, head) => ({
    layer,
    head,
    T,
    values: packed(values.subarray(head * T * T, (head + 1) * T * T)),
    ...(sink ? { sink: packed(sink.subarray(head * T, (head + 1) * T)) } : {}),
  }));
}

function packed(shares: Float64Array): string {
  const bytes = Uint8Array.from(shares, (share) => Math.round(255 * Math.min(1, Math.max(0, share))));
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}
