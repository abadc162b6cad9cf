import { ShapeError } from '../../error.ts';
import { Dim, type Size } from '../dim.ts';

/** Axes with their sizes; where there is a stored order (weights, inputs, constants) it is the order of the keys. */
export type Axes<A extends string> = Readonly<Record<A, Size>> & (string extends A ? never : unknown);

/** Axes and sizes as they travel in attributes: `axes` (names) and `sizes` (dims), in stored order. */
export function attributesOf(
  asking: string,
  axes: Readonly<Record<string, Size>>,
  kind: 'fixed' | 'any' = 'any',
): { axes: string[]; sizes: Dim[] } {
  const sizes = Object.entries(axes).map(([axis, size]) => {
    // Keys that are whole numbers would come first in every object, whatever order was written.
    if (!/^[A-Za-z_]\w*$/.test(axis))
      throw new ShapeError(`${asking}: expected an axis name of letters, digits and _, got "${axis}"`);
    const place = `${asking}: axis ${axis}`;
    if (typeof size === 'number' && !(Number.isSafeInteger(size) && size >= 0))
      throw new ShapeError(`${place}: expected a whole number of at least 0 or a dimension name, got ${size}`);
    const dim = Dim.of(size);
    if (kind === 'fixed' && dim.constant === undefined)
      throw new ShapeError(`${place} must have a fixed size, got ${dim}`);
    return dim;
  });
  return { axes: Object.keys(axes), sizes };
}
