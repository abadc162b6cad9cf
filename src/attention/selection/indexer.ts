import {
  and,
  concat,
  dot,
  equal,
  expand,
  iota,
  less,
  lessOrEqual,
  multiply,
  or,
  pick,
  relu,
  scalar,
  select,
  size,
  stopGradient,
  type Tensor,
  takeAlong,
  topIds,
} from '../../tensor/index.ts';

export interface IndexHeads {
  /** [B, T, N, D] for N index heads. */
  readonly q: Tensor<'B' | 'T' | 'N' | 'D'>;
  /** Of each head for each query. */
  readonly weights: Tensor<'B' | 'T' | 'N'>;
}

/** Scores of a lightning indexer (DeepSeek-V3.2, 2512.02556): Σ_n w_n · max(0, q_n · k) / √D / √N over its own narrow heads, which share one key. */
export function indexScores({ q, weights }: IndexHeads, k: Tensor<'B' | 'S' | 'D'>): Tensor<'B' | 'T' | 'S'> {
  const [heads, width] = [size(q, 'N').evaluate({}), size(q, 'D').evaluate({})];
  const each = multiply(relu(dot(q, k, 'D')), width ** -0.5);
  return dot(each, multiply(weights, heads ** -0.5), 'N');
}

/**
 * True where key S is among the `count` highest scores of the keys that query T may see; a query that sees fewer keeps them all. Of equal
 * scores (a score is 0 wherever no head's product is positive) the earlier key wins. Nothing is differentiated.
 */
export function topKeys(
  scores: Tensor<'B' | 'T' | 'S'>,
  visible: Tensor<'T' | 'S'> | Tensor<'B' | 'T' | 'S'>,
  count: number,
): Tensor<'B' | 'T' | 'S'> {
  const keys = size(scores, 'S');
  const open = select(visible as Tensor<'T' | 'S'>, stopGradient(scores), Number.NEGATIVE_INFINITY);
  // Keys that no text has, so that there are always enough to choose from.
  const none = expand(scalar(Number.NEGATIVE_INFINITY), {
    B: size(scores, 'B'),
    T: size(scores, 'T'),
    S: count,
  }) as Tensor<'B' | 'T' | 'S'>;
  const all = concat([open, none], 'S');
  const last = pick(topIds(all, 'S', count, 'K'), 'K', count - 1) as Tensor<'B' | 'T'>;
  const lowest = takeAlong(all, last, 'S');
  const before = lessOrEqual(iota('S', keys), last);
  const chosen = or(less(lowest, open), and(equal(open, lowest), before));
  return and(visible as Tensor<'T' | 'S'>, chosen);
}
