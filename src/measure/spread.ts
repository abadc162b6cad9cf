import { InputError } from '../error.ts';
import type { Spread } from '../report/result.ts';

/** Mean and sample standard deviation (n − 1) between texts; the deviation of a single text is 0. Throws an InputError for none. */
export function spread(values: ArrayLike<number>): Spread {
  const n = values.length;
  if (n === 0) throw new InputError('spread: expected at least one value, got none');
  let sum = 0;
  for (let i = 0; i < n; i++) sum += values[i]!;
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (values[i]! - mean) ** 2;
  return { mean, deviation: n > 1 ? Math.sqrt(squares / (n - 1)) : 0, n };
}

/**
 * The spread of shares c / of, from the sums of whole counts c and c² over n texts. Whole numbers add exactly in any order, so shards
 * that keep these sums merge exactly.
 */
export function spreadOfShares(counts: { sum: number; squares: number; n: number; of: number }): Spread {
  const { sum, squares, n, of } = counts;
  if (n === 0) throw new InputError('spread: expected at least one text, got none');
  const variance = n > 1 ? Math.max(0, (n * squares - sum * sum) / (n * (n - 1))) : 0;
  return { mean: sum / (n * of), deviation: Math.sqrt(variance) / of, n };
}
