import { constant, gather, type Tensor } from '../tensor/index.ts';

/** A value of some key/value heads, in this order; of all where none are named. */
export function someHeads<A extends string>(x: Tensor<A>, heads: readonly number[] | undefined): Tensor<A> {
  if (!heads) return x;
  const chosen = constant(heads, { G: heads.length }, 'int64');
  return gather(x as unknown as Tensor<string>, chosen as unknown as Tensor<string>, 'G') as unknown as Tensor<A>;
}
