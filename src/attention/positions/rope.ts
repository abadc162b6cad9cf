import {
  add,
  canTurn,
  cast,
  concat,
  constant,
  cos,
  merge,
  multiply,
  negate,
  remainder,
  rename,
  roll,
  sin,
  sizes,
  slice,
  split,
  type Tensor,
  rotary as turn,
  type Within,
} from '../../tensor/index.ts';
import { doublePositions } from '../places.ts';

/**
 * Rotary position embedding, 2104.09864: pair i of a head turns by position · frequency[i].
 * Frequencies are computed once in double precision; scaled variants change them (and may scale the rotated vectors).
 */
export interface Rotary {
  /** Radians per position, one for each pair. The first 2 · pairs of the D components turn, the rest stay. */
  readonly frequencies: readonly number[];
  /** Factor on the rotated components (YaRN's attention factor). Default 1. */
  readonly factor?: number;
  /** Pairs are neighbours, components 2i and 2i + 1, instead of components i and i + pairs. Default false. */
  readonly interleaved?: boolean;
}

/** Rotates x over its axis D by the given positions. */
export function rotate<A extends string>(x: Tensor<A>, positions: Within<A>, rotary: Rotary): Tensor<A> {
  if (!rotary.interleaved) return rotateHalves(x, positions, rotary);
  const whole = x as unknown as Tensor<'D'>;
  const width = sizes(x).get('D')!.constant!;
  const pairs = rotary.frequencies.length;
  const neighbours = split(slice(whole, 'D', 0, 2 * pairs), 'D', { I: pairs, J: 2 });
  const turned = rotateHalves(merge(neighbours, ['J', 'I'], 'D'), positions as Within<'D'>, rotary);
  const together = merge(split(turned, 'D', { J: 2, I: pairs }), ['I', 'J'], 'D');
  const parts = width === 2 * pairs ? [together] : [together, slice(whole, 'D', 2 * pairs, width)];
  return concat(parts, 'D') as unknown as Tensor<A>;
}

/** Component i turns with component i + pairs. */
function rotateHalves<A extends string>(
  x: Tensor<A>,
  positions: Within<A>,
  { frequencies, factor = 1 }: Rotary,
): Tensor<A> {
  const pairs = frequencies.length;
  const whole = x as unknown as Tensor<'D'>;
  const width = sizes(x).get('D')!.constant!;
  const angle = multiply(doublePositions(positions) as Tensor<never>, constant(frequencies, { I: pairs }, 'float64'));
  const reduced = cast(remainder(angle, 2 * Math.PI), 'float32');
  const scaled = (table: Tensor<'I'>) => (factor === 1 ? table : multiply(table, factor));
  const [c, s] = [scaled(cos(reduced)), scaled(sin(reduced))];
  if (canTurn(x, c) && 2 * pairs <= width) return turn(x as Tensor<A | 'I'>, c as never, s as never) as Tensor<A>;
  const turning = width === 2 * pairs ? whole : slice(whole, 'D', 0, 2 * pairs);
  const halves = (first: Tensor<'I'>, second: Tensor<'I'>) =>
    rename(concat([first, second], 'I'), 'I', 'D') as unknown as Tensor<never>;
  const turned = add(multiply(turning, halves(c, c)), multiply(roll(turning, 'D', pairs), halves(negate(s), s)));
  const rotated = turned as unknown as Tensor<'D'>;
  return (width === 2 * pairs
    ? rotated
    : concat([rotated, slice(whole, 'D', 2 * pairs, width)], 'D')) as unknown as Tensor<A>;
}
