import type { SpectrogramPreview } from './result.ts';

/**
 * A spectrogram made small enough to be kept in a result: each cell the mean of those it covers, from 0 for the least of them to 255 for the
 * largest.
 *
 * @param sound what a model reads: `data` [C, N], frequencies from low to high; `frameSeconds` of one frame; `seconds` of sound, after which
 *   silence was filled in.
 * @param most rows and columns that are kept. Default 80 × 750.
 */
export function spectrogramPreview(
  sound: {
    readonly data: Float32Array;
    readonly bins: number;
    readonly frames: number;
    readonly frameSeconds: number;
    readonly seconds: number;
  },
  most: { readonly bins: number; readonly columns: number } = { bins: 80, columns: 750 },
): SpectrogramPreview {
  const { data, bins: C, frames: N, frameSeconds, seconds } = sound;
  const [bins, columns] = [Math.min(C, most.bins), Math.min(N, most.columns)];
  const means = new Float64Array(bins * columns);
  for (let y = 0; y < bins; y++) {
    const [low, high] = [Math.floor((y * C) / bins), Math.floor(((y + 1) * C) / bins)];
    for (let x = 0; x < columns; x++) {
      const [from, to] = [Math.floor((x * N) / columns), Math.floor(((x + 1) * N) / columns)];
      let sum = 0;
      for (let c = low; c < high; c++) for (let n = from; n < to; n++) sum += data[c * N + n]!;
      means[y * columns + x] = sum / ((high - low) * (to - from));
    }
  }
  const least = means.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const span = means.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY) - least;
  let text = '';
  for (const mean of means) text += String.fromCharCode(span > 0 ? Math.round(((mean - least) / span) * 255) : 0);
  const exact = (value: number) => Number(value.toFixed(6));
  return {
    ...{ bins, columns, columnSeconds: exact((frameSeconds * N) / columns), soundSeconds: exact(seconds) },
    values: btoa(text),
  };
}
