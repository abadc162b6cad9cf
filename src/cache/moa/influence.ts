import type { Scores } from '../../attention/steps.ts';
import { add, divide, equal, iota, multiply, negate, select, size, subtract, sum } from '../../tensor/index.ts';

/** Smallest difference from 1 in float32, so that a weight of 1 does not divide by 0. */
const epsilon = 2 ** -23;

/**
 * Attention influence (2406.14909): what the loss gains, to first order, when one entry of a row is taken away and the rest of the row is
 * divided by what is left, E[t, s] = A / (1 − A) · (Σₙ A[t, n] G[t, n] − G[t, s]), with attention A [B, G, R, T, S] and the gradient of the
 * loss there. Exact where the loss is linear in the row. The first query sees one key; there E = −A · G.
 */
export function attentionInfluence(pattern: Scores, gradient: Scores): Scores {
  const weighed = multiply(pattern, gradient);
  const share = divide(pattern, add(subtract(1, pattern), epsilon));
  const influence = multiply(share, subtract(sum(weighed, 'S'), gradient));
  return select(equal(iota('T', size(pattern, 'T')), 0), negate(weighed), influence);
}
