import {
  and,
  cast,
  divide,
  dot,
  equal,
  iota,
  less,
  rename,
  select,
  size,
  subtract,
  type Tensor,
} from '../../tensor/index.ts';

type Square = 'B' | 'G' | 'T' | 'S';

/** Levels where the length is not known before the graph runs: enough for 65,536 tokens, whose matrices no memory holds. */
const mostLevels = 16;

/**
 * (I + L)⁻¹ of the part of a matrix that is strictly below its diagonal. Inverses of the diagonal blocks of b tokens give those of 2 b:
 * X ← X − X C X, where C is the corner of L between the two halves. No power of L is formed, so nothing grows that the inverse does not have.
 *
 * @param lower [B, G, T, S], T = S; what is on and above the diagonal is not looked at
 */
export function unitLowerInverse(lower: Tensor<Square>): Tensor<Square> {
  const length = size(lower, 'T');
  const [t, s] = [iota('T', length), iota('S', length)];
  const levels = length.constant === undefined ? mostLevels : Math.ceil(Math.log2(Math.max(1, length.constant)));
  let inverse = cast(equal(t, s), 'float32') as unknown as Tensor<Square>;
  for (let level = 0; level < levels; level++) {
    const half = 2 ** level;
    const together = equal(divide(t, 2 * half), divide(s, 2 * half));
    const corner = select(and(together, less(divide(s, half), divide(t, half))), lower, 0);
    const left = dot(rename(inverse, 'S', 'I'), rename(corner, 'T', 'I') as never, 'I') as unknown as Tensor<Square>;
    inverse = subtract(inverse, dot(rename(left, 'S', 'I'), rename(inverse, 'T', 'I') as never, 'I') as never);
  }
  return inverse;
}
