import type { Scores } from '../attention/steps.ts';
import {
  absolute,
  add,
  cast,
  divide,
  equal,
  extent,
  iota,
  lessOrEqual,
  log,
  maximum,
  mean,
  multiply,
  pick,
  select,
  size,
  sqrt,
  subtract,
  sum,
  type Tensor,
} from '../tensor/index.ts';

/** The indicators of one layer, one number for each text, mean over heads. */
export interface AttentionIndicators {
  /** −Σ_j a_ij ln a_ij in nats, mean over queries: ln n for a row that is uniform over n keys. */
  readonly entropy: Tensor<'B'>;
  /** ‖A‖_F = √Σ_ij a_ij². */
  readonly concentration: Tensor<'B'>;
  /** Standard deviation of a_ij over heads, mean over the T (T + 1) / 2 places j ≤ i. */
  readonly headDiversity: Tensor<'B'>;
  /** a_i0, mean over all queries, the first one among them. */
  readonly sink: Tensor<'B'>;
  /** a_i,i−N, mean over the T − N queries that have such a key; N = 0, 1, 2, 3. */
  readonly localFocus: readonly [Tensor<'B'>, Tensor<'B'>, Tensor<'B'>, Tensor<'B'>];
}

/**
 * The eight indicators of 2510.11602 for one layer's pattern of a whole text of at least four tokens, raw: the paper scales the first three
 * between the layers of a plot, which hides how large they are. It does not say whether its entropy is a sum or a mean over queries, nor
 * which standard deviation it takes: here the mean, and that of the heads as all there are.
 */
export function attentionIndicators(pattern: Scores): AttentionIndicators {
  const T = size(pattern, 'T');
  const [queries, keys] = [iota('T', T), iota('S', size(pattern, 'S'))];
  const seen = cast(lessOrEqual(keys, queries), 'float32');
  const count = (n: Tensor<never>) => cast(n, 'float32');
  const heads = ['G', 'R'] as const;
  const places = ['T', 'S'] as const;
  const entropies = sum(multiply(pattern, log(maximum(pattern, 1e-30))), 'S');
  const average = mean(pattern, heads);
  const spread = sqrt(mean(squared(subtract(pattern, average as never) as Scores), heads));
  const focus = (lag: number): Tensor<'B'> => {
    const here = equal(add(keys, lag), queries);
    const total = sum(select(here as never, pattern, 0), places);
    return mean(divide(total, count(extent(T.minus(lag)))), heads);
  };
  return {
    entropy: multiply(mean(entropies, [...heads, 'T']), -1),
    concentration: mean(sqrt(sum(squared(pattern), places)), heads),
    headDiversity: divide(sum(multiply(spread, seen), places), sum(seen, places)),
    sink: mean(pick(pattern, 'S', 0), [...heads, 'T']),
    localFocus: [focus(0), focus(1), focus(2), focus(3)],
  };
}

/** ln of the mean size |s_ij| of the scores that the mask leaves, over heads and places: above 7 for logits beyond 10³. */
export function logitMagnitude(scores: Scores): Tensor<'B'> {
  const [queries, keys] = [iota('T', size(scores, 'T')), iota('S', size(scores, 'S'))];
  const seen = cast(lessOrEqual(keys, queries), 'float32');
  const perPlace = mean(absolute(scores), ['G', 'R']);
  return log(divide(sum(multiply(perPlace, seen), ['T', 'S']), sum(seen, ['T', 'S'])));
}

const squared = <A extends string>(x: Tensor<A>) => multiply(x, x);
