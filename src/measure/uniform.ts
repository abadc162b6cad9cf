import { checkVisibility, keysSeenBy, queriesThatSee, receivedFrom, type Visibility } from './visibility.ts';

/**
 * Attention that is uniform over the keys each query may see: the baseline of every measurement, A_ik = 1 / n_i with n_i the number
 * of keys that query i sees: i + 1 in causal attention, S in bidirectional and cross-attention. A learned sink column is not counted: all
 * mass lies on real keys, so this is the highest baseline.
 */
export interface UniformAttention {
  /** [S] mean of A_ik over all queries that see key k, its own row included: the importance score of 2410.10781. NaN for keys nobody sees. */
  readonly alpha: Float64Array;
  /**
   * [S] the same, in causal attention without the first real query (row 0), which can only attend to itself; in bidirectional attention it is
   * `alpha`. NaN where no query is left.
   */
  readonly received: Float64Array;
  /** [S] queries in the mean `alpha`. */
  readonly queries: Int32Array;
  /** [S] queries in the mean `received`. */
  readonly receivedQueries: Int32Array;
  /** [T] entropy ln n_i of each row in nats; NaN for padding. */
  readonly rowEntropy: Float64Array;
  /** Mean of `rowEntropy` over real rows. */
  readonly entropy: number;
}

/** One layer of one text, in O(T + S) by prefix sums of 1 / n_i in double precision. Throws an InputError for impossible sizes. */
export function uniformAttention(visibility: Visibility): UniformAttention {
  const { T, S, first } = checkVisibility(visibility);
  const rowEntropy = new Float64Array(T).fill(Number.NaN);
  const massBefore = new Float64Array(T + 1); // massBefore[i] = sum of 1 / n over the queries before i
  let entropySum = 0;
  for (let i = 0; i < T; i++) {
    const { from, to } = keysSeenBy(visibility, i);
    const n = to - from;
    massBefore[i + 1] = massBefore[i]! + (n > 0 ? 1 / n : 0);
    if (n === 0) continue;
    rowEntropy[i] = Math.log(n);
    entropySum += Math.log(n);
  }
  const alpha = new Float64Array(S);
  const received = new Float64Array(S);
  const queries = new Int32Array(S);
  const receivedQueries = new Int32Array(S);
  for (let k = 0; k < S; k++) {
    const all = queriesThatSee(visibility, k);
    const counted = receivedFrom(visibility, k);
    queries[k] = all.to - all.from;
    receivedQueries[k] = counted.to - counted.from;
    // 0 / 0 gives the NaN that is promised for keys without queries.
    alpha[k] = (massBefore[all.to]! - massBefore[all.from]!) / queries[k]!;
    received[k] = (massBefore[counted.to]! - massBefore[counted.from]!) / receivedQueries[k]!;
  }
  return { alpha, received, queries, receivedQueries, rowEntropy, entropy: entropySum / (T - first) };
}
