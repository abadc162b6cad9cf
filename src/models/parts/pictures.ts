import type { Stream } from '../../attention/steps.ts';
import { add, concat, dot, expand, merge, size, slice, split, type Tensor, weight } from '../../tensor/index.ts';
import { type Grid, type PositionTable, positionsFor } from './position-table.ts';

export type Pictures = Tensor<'B' | 'C' | 'Y' | 'X'>;

export interface PatchProjection {
  /** Full name, without `.weight`. */
  readonly name: string;
  readonly M: number;
  readonly C: number;
  /** Side of a patch, in pixels. */
  readonly patch: number;
  /** Default true. */
  readonly bias?: boolean;
}

/** Whole patches of pictures; what is left at the right and lower edges is not looked at. */
export function gridOf(pictures: Pictures, patch: number): Grid {
  const count = (axis: 'Y' | 'X') => Math.floor(size(pictures, axis).evaluate({}) / patch);
  return { rows: count('Y'), columns: count('X') };
}

/** Linear map of each patch, [B, C, Y, X] → [B, T, M] row by row: the convolution whose step is as long as its kernel is wide. */
export function projectPatches(pictures: Pictures, { name, M, C, patch, bias = true }: PatchProjection): Stream {
  const { rows, columns } = gridOf(pictures, patch);
  const cut = (x: Pictures, axis: 'Y' | 'X', whole: number) =>
    size(x, axis).equals(whole) ? x : slice(x, axis, 0, whole);
  const fitting = cut(cut(pictures, 'Y', rows * patch), 'X', columns * patch);
  const parts = split(split(fitting, 'Y', { Y: rows, P: patch }), 'X', { X: columns, Q: patch });
  const kernel = weight(`${name}.weight`, { M, C, P: patch, Q: patch });
  const patches = merge(dot(parts, kernel, ['C', 'P', 'Q']), ['Y', 'X'], 'T');
  return bias ? add(patches, weight(`${name}.bias`, { M })) : patches;
}

export interface PictureEmbedding extends PatchProjection {
  /** Full names of the learned vectors that stand first: class token, distillation token. */
  readonly tokens: readonly string[];
  /** Default: none, where attention tells positions. */
  readonly positions?: PositionTable;
  /** Learned vectors behind those, without positions. */
  readonly registers?: { readonly name: string; readonly count: number };
}

/** Learned vectors, registers and patches as one stream. */
export function embedPictures(pictures: Pictures, options: PictureEmbedding): Stream {
  const { M, tokens, positions, registers } = options;
  const patches = projectPatches(pictures, options);
  const table = positions && positionsFor(positions, gridOf(pictures, options.patch));
  const batch = (vectors: Tensor<'T' | 'M'>) => expand(vectors, { B: size(patches, 'B') });
  const first = tokens.map((name, i) => {
    const vector = weight(name, { T: 1, M });
    return batch(table ? add(vector, slice(table.leading, 'T', i, i + 1)) : vector);
  });
  const extra = registers && registers.count > 0 ? [batch(weight(registers.name, { T: registers.count, M }))] : [];
  return concat([...first, ...extra, table ? add(patches, table.patches) : patches], 'T');
}
