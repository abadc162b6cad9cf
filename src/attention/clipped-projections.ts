import { maximum, minimum, type Tensor } from '../tensor/index.ts';
import type { Projections } from './projections.ts';

/** Projections whose queries, keys and values are held between −limit and limit (`clip_qkv` of MPT and OLMo); without a limit themselves. */
export function clippedProjections(parts: Projections, limit: number | undefined): Projections {
  if (limit === undefined) return parts;
  const clip = <A extends string>(x: Tensor<A>): Tensor<A> => maximum(minimum(x, limit), -limit);
  return { ...parts, q: (x) => clip(parts.q(x)), k: (x) => clip(parts.k(x)), v: (x) => clip(parts.v(x)) };
}
