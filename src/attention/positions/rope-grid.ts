import { ShapeError } from '../../error.ts';
import { constant, gather, type Tensor } from '../../tensor/index.ts';
import type { Turn } from '../attention.ts';
import type { Places } from '../places.ts';
import { turnHalves } from './rope.ts';

export interface GridRopeOptions {
  /** Base of the frequencies. */
  readonly theta: number;
  /** Head width, a multiple of 4. */
  readonly D: number;
  /** Positions before the patches, which are not turned. */
  readonly leading: number;
}

/** Cosines and sines of every position, [N, I]. */
interface Tables {
  readonly cosines: Tensor<'N' | 'I'>;
  readonly sines: Tensor<'N' | 'I'>;
}

/**
 * Rotary embedding of patches in two dimensions (DINOv3, 2508.10104): with the centre of a patch at y, x in [−1, 1], the first half of the
 * pairs turns by 2π y θ^(−4j/D), the second by 2π x θ^(−4j/D), j from 0 to D/4 − 1. What stands before the patches stays.
 */
export function gridRope({ theta, D, leading }: GridRopeOptions): Turn {
  const frequencies = Array.from({ length: D / 4 }, (_, j) => 2 * Math.PI * theta ** ((-4 * j) / D));
  // One pair of tables for all layers of a graph.
  let made: { readonly key: string; readonly tables: Tables } | undefined;
  const tablesOf = ({ rows, columns }: NonNullable<Places['grid']>): Tables => {
    const key = `${rows} ${columns}`;
    if (made?.key === key) return made.tables;
    const centre = (i: number, count: number) => (2 * (i + 0.5)) / count - 1;
    const angles = Array.from({ length: rows * columns }, (_, patch) =>
      [centre(Math.floor(patch / columns), rows), centre(patch % columns, columns)].flatMap((place) =>
        frequencies.map((frequency) => place * frequency),
      ),
    );
    const still = Array.from({ length: leading }, () => new Array<number>(D / 2).fill(0));
    const all = [...still, ...angles].flat();
    const axes = { N: leading + rows * columns, I: D / 2 };
    const tables = { cosines: constant(all.map(Math.cos), axes), sines: constant(all.map(Math.sin), axes) };
    made = { key, tables };
    return tables;
  };
  return (x, positions, { grid }) => {
    if (!grid) throw new ShapeError('rotary embedding in two dimensions: expected places with a grid of patches');
    const { cosines, sines } = tablesOf(grid);
    const along = (table: Tensor<'N' | 'I'>) => gather(table, positions as unknown as Tensor<'T'>, 'N');
    return turnHalves(x, along(cosines), along(sines), D / 2);
  };
}
