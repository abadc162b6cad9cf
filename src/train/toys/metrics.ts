import type { Scores, Values } from '../../attention/steps.ts';
import {
  absolute,
  add,
  cast,
  divide,
  highest,
  less,
  lessOrEqual,
  mean,
  multiply,
  pick,
  scalar,
  size,
  slice,
  sqrt,
  subtract,
  sum,
  type Tensor,
  takeAlong,
} from '../../tensor/index.ts';

export { shares } from '../../attention/shares.ts';

/** Mean of x where the weights are 1; 0 where there are none. */
export function meanWhere<A extends string>(x: Tensor<A>, weights: Tensor<A>, axes: readonly A[]): Tensor<never> {
  const total = sum(multiply(x, weights), axes) as Tensor<never>;
  return divide(total, add(sum(weights, axes) as Tensor<never>, 1e-9));
}

/** Σ|w| of each query, mean over heads [B, T]. */
export function rowMass(pattern: Scores): Tensor<'B' | 'T'> {
  return mean(sum(absolute(pattern), 'S'), ['G', 'R']);
}

/** Σw of each query, mean over heads [B, T]. */
export function rowSum(pattern: Scores): Tensor<'B' | 'T'> {
  return mean(sum(pattern, 'S'), ['G', 'R']);
}

/** Attention of each query to key 0, [B, T]. */
export function toFirst(pattern: Scores): Tensor<'B' | 'T'> {
  return mean(pick(pattern, 'S', 0), ['G', 'R']);
}

/** Mean attention to key 0, its own row counted (α_0 of 2410.10781). */
export function alpha(pattern: Scores): Tensor<never> {
  return mean(toFirst(pattern), ['B', 'T']) as Tensor<never>;
}

/** Share of texts whose α_0 is above ε 0.3: the sink rate of one head (2410.10781). */
export function sinkRate(pattern: Scores): Tensor<never> {
  return mean(cast(less(scalar(0.3), mean(toFirst(pattern), 'T')) as Tensor<'B'>, 'float32'), 'B') as Tensor<never>;
}

/** ‖v_0‖ over the mean ‖v‖ of the other keys. */
export function valueRatio(values: Values): Tensor<never> {
  const norms = sqrt(sum(multiply(values, values), 'D')); // B S G
  const S = size(values, 'S');
  const first = mean(pick(norms, 'S', 0), ['B', 'G']) as Tensor<never>;
  return divide(first, mean(slice(norms, 'S', 1, S), ['B', 'S', 'G']) as Tensor<never>);
}

/** 1 − x, for 0/1 weights. */
export function others<A extends string>(weights: Tensor<A>): Tensor<A> {
  return subtract(1, weights);
}

/** 1 for rows in which the target has the highest score, [B, T]. */
export function rightRows<K extends string>(
  logits: Tensor<'B' | 'T' | K>,
  targets: Tensor<'B' | 'T'>,
  axis: K,
): Tensor<'B' | 'T'> {
  const scores = logits as unknown as Tensor<string>;
  const chosen = takeAlong(scores, targets as never, axis);
  const hit = lessOrEqual(highest(scores, axis), chosen as never) as unknown as Tensor<'B' | 'T'>;
  return cast(hit, 'float32');
}

/** Share of rows in which the target has the highest score. */
export function accuracy<K extends string>(
  logits: Tensor<'B' | 'T' | K>,
  targets: Tensor<'B' | 'T'>,
  axis: K,
): Tensor<never> {
  return mean(rightRows(logits, targets, axis), ['B', 'T']) as Tensor<never>;
}
