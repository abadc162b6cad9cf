import { InputError } from '../error.ts';
import type { Spread } from './result.ts';

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
