import { bicubic, cubic, windows } from '../../load/images/filters.ts';
import { constant, dot, merge, rename, slice, split, type Tensor, weight } from '../../tensor/index.ts';

/** Learned positions: one for each vector before the patches, then one for each patch, row by row. */
export interface PositionTable {
  /** Full name of the tensor. */
  readonly name: string;
  /** Vectors before the patches that have a position. */
  readonly leading: number;
  /** Patches of the pictures that it was made for. */
  readonly rows: number;
  readonly columns: number;
  readonly M: number;
  /** Is the filter widened where the table shrinks? Default false. */
  readonly antialias?: boolean;
}

export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** Rows of the table for the vectors before the patches, and for the patches of a picture of this grid, resized by bicubic interpolation where it is another. */
export function positionsFor(
  table: PositionTable,
  grid: Grid,
): { readonly leading: Tensor<'T' | 'M'>; readonly patches: Tensor<'T' | 'M'> } {
  const { name, leading, rows, columns, M, antialias = false } = table;
  const total = leading + rows * columns;
  const whole = weight(name, { T: total, M });
  const own = slice(whole, 'T', leading, total);
  return {
    leading: slice(whole, 'T', 0, leading),
    patches: grid.rows === rows && grid.columns === columns ? own : resized(own, { rows, columns }, grid, antialias),
  };
}

function resized(table: Tensor<'T' | 'M'>, from: Grid, to: Grid, antialias: boolean): Tensor<'T' | 'M'> {
  const weights = (before: number, after: number) =>
    constant(bicubicWeights(before, after, antialias).flat(), { N: after, O: before });
  const grid = split(table, 'T', { Y: from.rows, X: from.columns });
  const down = rename(dot(rename(grid, 'Y', 'O'), weights(from.rows, to.rows), 'O'), 'N', 'Y');
  const across = rename(dot(rename(down, 'X', 'O'), weights(from.columns, to.columns), 'O'), 'N', 'X');
  return merge(across, ['Y', 'X'], 'T');
}

/**
 * What each of `from` values along an axis gives to each of `to`, as PyTorch's bicubic interpolation between the centres of cells does:
 * a = −3/4 and values beyond the ends repeated; with `antialias` a = −1/2, the filter as much wider as the axis shrinks, and cut off at
 * the ends. Rows sum to one. [to][from]
 */
export function bicubicWeights(from: number, to: number, antialias: boolean): number[][] {
  const row = () => new Array<number>(from).fill(0);
  if (antialias)
    return windows(from, to, bicubic).map(({ first, weights }) => {
      const all = row();
      weights.forEach((weight, k) => {
        all[first + k] = weight;
      });
      return all;
    });
  return Array.from({ length: to }, (_, i) => {
    const all = row();
    const centre = (i + 0.5) * (from / to) - 0.5;
    const first = Math.floor(centre) - 1;
    for (let tap = first; tap < first + 4; tap++)
      all[Math.min(Math.max(tap, 0), from - 1)]! += cubic(tap - centre, -0.75);
    return all;
  });
}
