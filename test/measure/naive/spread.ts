import type { Spread } from '../../../src/measure/result.ts';

/** Mean and sample standard deviation (n − 1) between texts; the deviation of a single text is 0. */
export function spread(values: ArrayLike<number>): Spread {
  const n = values.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += values[i]!;
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (values[i]! - mean) ** 2;
  return { mean, deviation: n > 1 ? Math.sqrt(squares / (n - 1)) : 0, n };
}
