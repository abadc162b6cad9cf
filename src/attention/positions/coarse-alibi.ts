import { add, cast, constant, multiply, subtract, type Tensor } from '../../tensor/index.ts';
import type { HeadSizes } from '../projections.ts';
import type { ScoreBias } from '../steps.ts';
import { interpolatedSlopes } from './position-bias.ts';

/** 2¹⁶ + 1: x · splitter − (x · splitter − x) keeps the 8 leading bits of a float32, rounded to nearest (Veltkamp's splitting). */
const splitter = 65_537;

/** Values of float32 as bfloat16 holds them. */
function coarse<A extends string>(x: Tensor<A>): Tensor<A> {
  const large = multiply(x, splitter);
  return subtract(large, subtract(large, x) as never) as Tensor<A>;
}

/**
 * ALiBi, 2108.12409, as Falcon-RW computes it: s_ij + scale · slope_h · j, slopes and products in bfloat16, so that a head sees distant keys
 * in steps: from j = 256 on it is no function of i − j any more.
 */
export function coarseAlibi({ H, G }: Pick<HeadSizes, 'H' | 'G'>, scale: number): ScoreBias {
  const slopes = coarse(constant(interpolatedSlopes(H), { G, R: H / G }));
  return (scores, { keyPositions }) => {
    const places = coarse(cast(keyPositions as Tensor<'B' | 'S'>, 'float32'));
    return add(scores, multiply(coarse(multiply(places, slopes)), scale));
  };
}
