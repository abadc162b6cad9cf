import { InputError } from '../error.ts';
import { checkVisibility, laterQueriesThatSee, type Visibility } from './visibility.ts';

/** Attention received by each key in one layer, without the first real query (row 0); NaN for keys without other queries. */
export interface Received {
  /** [H, S] mean over the queries that see the key. */
  readonly perHead: Float64Array;
  /** [S] mean over heads. */
  readonly mean: Float64Array;
  /** [S] largest over heads. */
  readonly max: Float64Array;
}

/**
 * @param columnSums [H, S] Σ_i A_ik over all queries that see key k, S = visibility.T.
 * @param firstRow [H] attention of the first real query to itself: 1 under plain softmax, less beside a learned sink. A mask with a
 *   prefix lets that query see more keys, so there [H, S] is needed.
 * @throws InputError for lengths that do not fit.
 */
export function receivedByKey(
  columnSums: ArrayLike<number>,
  firstRow: ArrayLike<number>,
  visibility: Visibility,
): Received {
  const { T, first, prefix } = checkVisibility(visibility);
  const H = columnSums.length / T;
  if (!Number.isInteger(H) || H < 1) {
    throw new InputError(`received: column sums must hold H × S values with S = ${T}, got ${columnSums.length}`);
  }
  const whole = firstRow.length === H * T;
  if (!whole && (firstRow.length !== H || prefix > 1)) {
    const expected = prefix > 1 ? `H × S = ${H * T}` : `H = ${H} or H × S = ${H * T}`;
    throw new InputError(`received: firstRow must hold ${expected} values, got ${firstRow.length}`);
  }
  const perHead = new Float64Array(H * T);
  const mean = new Float64Array(T);
  const max = new Float64Array(T);
  for (let k = 0; k < T; k++) {
    const { from, to } = laterQueriesThatSee(visibility, k);
    for (let h = 0; h < H; h++) {
      const own = whole ? firstRow[h * T + k]! : k === first ? firstRow[h]! : 0;
      const value = Math.max(0, columnSums[h * T + k]! - own) / (to - from);
      perHead[h * T + k] = to > from ? value : Number.NaN;
      mean[k]! += perHead[h * T + k]! / H;
      max[k] = Math.max(max[k]!, perHead[h * T + k]!);
    }
  }
  return { perHead, mean, max };
}
