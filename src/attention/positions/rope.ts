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
  /** The last 2 · pairs components turn instead of the first. Default false. */
  readonly last?: boolean;
}

/** Rotates x over its axis D by the given positions. */
export function rotate<A extends string>(x: Tensor<A>, positions: Within<A>, rotary: Rotary): Tensor<A> {
  if (rotary.last) return rotateLast(x, positions, rotary);
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

function rotateLast<A extends string>(x: Tensor<A>, positions: Within<A>, { last: _, ...rotary }: Rotary): Tensor<A> {
  const whole = x as unknown as Tensor<'D'>;
  const width = sizes(x).get('D')!.constant!;
  const still = width - 2 * rotary.frequencies.length;
  const turned = rotate(slice(whole, 'D', still, width), positions as Within<'D'>, rotary);
  return (still === 0 ? turned : concat([slice(whole, 'D', 0, still), turned], 'D')) as unknown as Tensor<A>;
}

/** Turns back what was rotated. */
export const turnedBack = (rotary: Rotary): Rotary => ({
  ...rotary,
  frequencies: rotary.frequencies.map((frequency) => -frequency),
});

/** Component i turns with component i + pairs. */
function rotateHalves<A extends string>(
  x: Tensor<A>,
  positions: Within<A>,
  { frequencies, factor = 1 }: Rotary,
): Tensor<A> {
  const pairs = frequencies.length;
  const angle = multiply(doublePositions(positions) as Tensor<never>, constant(frequencies, { I: pairs }, 'float64'));
  const reduced = cast(remainder(angle, 2 * Math.PI), 'float32');
  const scaled = (table: Tensor<'I'>) => (factor === 1 ? table : multiply(table, factor));
  return turnHalves(x, scaled(cos(reduced)), scaled(sin(reduced)), pairs);
}

/** Component i along D turns with component i + pairs, by tables over positions and pairs I. */
export function turnHalves<A extends string>(
  x: Tensor<A>,
  cosines: Within<string>,
  sines: Within<string>,
  pairs: number,
): Tensor<A> {
  const [c, s] = [cosines, sines] as [Tensor<'I'>, Tensor<'I'>];
  const whole = x as unknown as Tensor<'D'>;
  const width = sizes(x).get('D')!.constant!;
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
