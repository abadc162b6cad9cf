import { InputError } from '../../error.ts';
import {
  add,
  dot,
  extent,
  gather,
  iota,
  less,
  merge,
  pad,
  rename,
  select,
  size,
  slice,
  split,
  subtract,
  type Tensor,
  weight,
} from '../../tensor/index.ts';
import type { Places } from '../places.ts';
import type { Queries, Scores } from '../steps.ts';

/** Learned tables over the distance key − query, which is row P + distance: R of vectors and S of numbers for each query head. */
export interface RelativeTables {
  readonly vectors: Tensor<'row' | 'G' | 'R' | 'D'>;
  readonly numbers: Tensor<'row' | 'G' | 'R'>;
  /** Rows before that of distance 0; there are 2 P. Texts may have P tokens. */
  readonly P: number;
}

/** Tables as stored: `key_pos_embeddings` and `key_pos_bias` of 2 P rows. */
export function relativeTables(
  at: (name: string) => string,
  { G, R, D, P }: { readonly G: number; readonly R: number; readonly D: number; readonly P: number },
): RelativeTables {
  return {
    vectors: weight(at('self_attn.key_pos_embeddings'), { row: 2 * P, G, R, D }),
    numbers: weight(at('self_attn.key_pos_bias'), { row: 2 * P, G, R }),
    P,
  };
}

/** Throws an InputError for a text that is known to be longer than the tables; one that only turns out to be fails when run. */
function expectReach(P: number, places: Places): void {
  const length = size(places.keys, 'S').constant;
  if (length !== undefined && length > P)
    throw new InputError(
      `relative positions: the tables reach ${P} tokens, the text has ${length}; give a larger reach, or shorter texts`,
    );
}

/**
 * q_i · R[P + (j − i)] + S[P + (j − i)], [B, G, R, T, S], by looking up the row of each pair: right for any places, with T · S · H · D numbers
 * in between. Distances that the tables lack fail when run.
 */
export function lookedUpTerms(q: Queries, places: Places, { vectors, numbers, P }: RelativeTables): Scores {
  expectReach(P, places);
  const distance = subtract(places.keys, places.queries) as Tensor<'T' | 'S'>;
  // Rows below 0 would count from the end; one beyond the end fails.
  const rows = select(less(distance, 1 - P), 2 * P, add(distance, P)) as Tensor<'T' | 'S'>;
  return add(dot(q, gather(vectors, rows, 'row'), 'D'), gather(numbers, rows, 'row') as never);
}

/**
 * The same where the queries are the last T of the S keys, by one product with the S rows up to distance 0 and a shift: query i needs them
 * from row T − 1 − i on, which a zero before each row and a cut of T numbers bring about. Wrong numbers stand at later keys, which the mask
 * hides.
 */
export function shiftedTerms(q: Queries, places: Places, { vectors, numbers, P }: RelativeTables): Scores {
  expectReach(P, places);
  const [T, S] = [size(q, 'T'), size(places.keys, 'S')];
  // Rows from P + 1 − S to P; below the first that is allowed, one beyond the end, which fails.
  const row = add(subtract(iota('row', S), extent(S)), P + 1);
  const rows = rename(select(less(row, 1), 2 * P, row), 'row', 'reached');
  const byRow = add(dot(q, gather(vectors, rows, 'row'), 'D'), gather(numbers, rows, 'row') as never);
  const flat = merge(
    pad(byRow as Tensor<'B' | 'G' | 'R' | 'T' | 'reached'>, 'reached', 1, 0),
    ['T', 'reached'],
    'flat',
  );
  return split(slice(flat, 'flat', T, T.times(S).plus(T)), 'flat', { T, S });
}
