import { InputError } from '../error.ts';

/** Buckets of the magnitude's upper 16 bits: exponent and 8 bits of mantissa, in ascending order. */
const shift = 15;
const buckets = 1 << 16;

/**
 * Exact median of |x|, the mean of the two middle values for an even count. Counts magnitudes in buckets of their upper bits and
 * sorts the one or two buckets that hold the middle: two passes, no copy of the rest. Throws an InputError for no values or a NaN.
 */
export function medianMagnitude(values: ArrayLike<number>): number {
  const n = values.length;
  if (n === 0) throw new InputError('median: expected at least one value, got none');
  if (!(values instanceof Float32Array)) return sortedMedian(Float64Array.from(values, Math.abs));
  const bits = new Uint32Array(values.buffer, values.byteOffset, n);
  const counts = new Uint32Array(buckets);
  for (let i = 0; i < n; i++) counts[(bits[i]! & 0x7fffffff) >>> shift]!++;
  const ranks = [(n - 1) >> 1, n >> 1] as const;
  let before = 0;
  let bucket = 0;
  while (before + counts[bucket]! <= ranks[0]) before += counts[bucket++]!;
  let last = bucket;
  for (let seen = before + counts[last]!; seen <= ranks[1]; ) seen += counts[++last]!;
  const middle: number[] = [];
  for (let i = 0; i < n; i++) {
    const place = (bits[i]! & 0x7fffffff) >>> shift;
    if (place === bucket || place === last) middle.push(Math.abs(values[i]!));
  }
  // NaN lies above infinity: find it only where it could have changed the ranks.
  for (let place = 0x7f800000 >>> shift; place < buckets; place++) if (counts[place]! > 0) refuseNaN(values);
  middle.sort((a, b) => a - b);
  return (middle[ranks[0] - before]! + middle[ranks[1] - before]!) / 2;
}

function sortedMedian(magnitudes: Float64Array): number {
  refuseNaN(magnitudes);
  magnitudes.sort();
  const n = magnitudes.length;
  return (magnitudes[(n - 1) >> 1]! + magnitudes[n >> 1]!) / 2;
}

function refuseNaN(values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++)
    if (Number.isNaN(values[i]!)) throw new InputError(`median: entry ${i} is not a number`);
}
