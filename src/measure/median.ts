import { InputError } from '../error.ts';

/**
 * Exact median of |x| by quickselect, the mean of the two middle values for an even count. Copies the values once, O(n) expected.
 * Throws an InputError for no values or a NaN.
 */
export function medianMagnitude(values: ArrayLike<number>): number {
  const n = values.length;
  if (n === 0) throw new InputError('median: expected at least one value, got none');
  const work = values instanceof Float32Array ? new Float32Array(n) : new Float64Array(n);
  for (let i = 0; i < n; i++) {
    work[i] = Math.abs(values[i]!);
    if (Number.isNaN(work[i]!)) throw new InputError(`median: entry ${i} is not a number`);
  }
  const middle = n >> 1;
  select(work, middle);
  if (n % 2 === 1) return work[middle]!;
  let below = 0; // after the selection everything before the middle is at most the middle
  for (let i = 0; i < middle; i++) below = Math.max(below, work[i]!);
  return (below + work[middle]!) / 2;
}

/** Partitions until work[rank] is the value of that rank; the median of three as pivot keeps sorted and constant input fast. */
function select(work: Float32Array | Float64Array, rank: number): void {
  let low = 0;
  let high = work.length - 1;
  while (low < high) {
    const pivot = medianOfThree(work[low]!, work[(low + high) >> 1]!, work[high]!);
    let i = low;
    let j = high;
    while (i <= j) {
      while (work[i]! < pivot) i++;
      while (work[j]! > pivot) j--;
      if (i <= j) {
        const swap = work[i]!;
        work[i] = work[j]!;
        work[j] = swap;
        i++;
        j--;
      }
    }
    if (rank <= j) high = j;
    else if (rank >= i) low = i;
    else return;
  }
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
