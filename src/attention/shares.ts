import { absolute, add, divide, sum } from '../tensor/index.ts';
import type { RowSums } from './mechanism.ts';
import type { Scores } from './steps.ts';

/**
 * What sinks are measured on: the pattern itself, or the proxy |w| / Σ|w| where rows sum to anything (2410.10781). Rows of nothing stay
 * nothing.
 */
export function shares(pattern: Scores, rows: RowSums): Scores {
  if (rows !== 'any') return pattern;
  const size = absolute(pattern);
  return divide(size, add(sum(size, 'S'), 1e-12) as never);
}
