/** How far values are from a reference. Differences are |a − b| / max(1, |b|). */
export interface Distance {
  /** How many values were compared. */
  readonly values: number;
  /** The largest difference; infinite where a value of either side is not a finite number. */
  readonly largest: number;
  /** Where it is, and the two values there. */
  readonly index: readonly number[];
  readonly ours: number;
  readonly expected: number;
  /** Largest |b| along the last axis there: what the value was summed from is of this size. */
  readonly rowLargest: number;
}

/**
 * Compares values of one shape, row-major.
 * @param real tells which are compared, by batch entry and query; default all. `axes` names the dimensions.
 */
export function distance(
  ours: ArrayLike<number>,
  expected: ArrayLike<number> | number,
  shape: readonly number[],
  axes: readonly string[],
  real?: { readonly T: number; readonly mask: ArrayLike<number> },
): Distance {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((product, size) => product * size, 1));
  const at = (axis: string, offset: number) => {
    const i = axes.indexOf(axis);
    return i < 0 ? 0 : Math.floor(offset / strides[i]!) % shape[i]!;
  };
  let values = 0;
  let largest = -1;
  let worst = 0;
  for (let i = 0; i < ours.length; i++) {
    if (real && !real.mask[at('B', i) * real.T + at('T', i)]) continue;
    values++;
    const b = typeof expected === 'number' ? expected : expected[i]!;
    const relative = Math.abs(ours[i]! - b) / Math.max(1, Math.abs(b));
    // NaN and ∞ on either side are as far as can be.
    const difference = Number.isNaN(relative) ? Number.POSITIVE_INFINITY : relative;
    if (difference > largest) {
      largest = difference;
      worst = i;
    }
  }
  const width = shape[shape.length - 1] ?? 1;
  const start = worst - (worst % width);
  let rowLargest = 0;
  for (let i = start; i < start + width && i < ours.length; i++)
    rowLargest = Math.max(rowLargest, Math.abs(typeof expected === 'number' ? expected : expected[i]!));
  return {
    values,
    largest: values === 0 ? 0 : largest,
    index: strides.map((stride, i) => Math.floor(worst / stride) % shape[i]!),
    ours: ours[worst] ?? Number.NaN,
    expected: typeof expected === 'number' ? expected : (expected[worst] ?? Number.NaN),
    rowLargest,
  };
}
