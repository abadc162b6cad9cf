import { InputError } from '../error.ts';
import { checkVisibility, receivedFrom, type Visibility } from './visibility.ts';

/** Attention received by each key in one layer, in causal attention without the first real query (row 0); NaN for keys without other queries. */
export interface Received {
  /** [H, S] mean over the queries that see the key. */
  readonly perHead: Float64Array;
  /** [S] mean over heads. */
  readonly mean: Float64Array;
  /** [S] largest over heads. */
  readonly max: Float64Array;
}

/**
 * @param columnSums [H, S] Σ_i A_ik over all queries that see key k.
 * @param firstRow [H] attention of the first real query to itself: 1 under plain softmax, less beside a learned sink. A mask with a
 *   prefix lets that query see more keys, so there [H, S] is needed. Not read in bidirectional attention, where row 0 is like the others.
 * @throws InputError for lengths that do not fit.
 */
export function receivedByKey(
  columnSums: ArrayLike<number>,
  firstRow: ArrayLike<number>,
  visibility: Visibility,
): Received {
  const { S, first, prefix, causal } = checkVisibility(visibility);
  const H = columnSums.length / S;
  if (!Number.isInteger(H) || H < 1) {
    throw new InputError(`received: column sums must hold H × S values with S = ${S}, got ${columnSums.length}`);
  }
  const whole = firstRow.length === H * S;
  if (causal && !whole && (firstRow.length !== H || prefix > 1)) {
    const expected = prefix > 1 ? `H × S = ${H * S}` : `H = ${H} or H × S = ${H * S}`;
    throw new InputError(`received: firstRow must hold ${expected} values, got ${firstRow.length}`);
  }
  const perHead = new Float64Array(H * S);
  const mean = new Float64Array(S);
  const max = new Float64Array(S);
  for (let k = 0; k < S; k++) {
    const { from, to } = receivedFrom(visibility, k);
    for (let h = 0; h < H; h++) {
      const own = !causal ? 0 : whole ? firstRow[h * S + k]! : k === first ? firstRow[h]! : 0;
      const value = Math.max(0, columnSums[h * S + k]! - own) / (to - from);
      perHead[h * S + k] = to > from ? value : Number.NaN;
      mean[k]! += perHead[h * S + k]! / H;
      max[k] = Math.max(max[k]!, perHead[h * S + k]!);
    }
  }
  return { perHead, mean, max };
}
