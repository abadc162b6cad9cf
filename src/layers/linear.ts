import { type Axes, add, dot, type Tensor, weight } from '../tensor/index.ts';

export interface LinearOptions {
  /** Is there a `.bias` beside the `.weight`? Default false. */
  readonly bias?: boolean;
  /** Stored [in, out] (GPT-2's Conv1D) instead of [out, in]. Default false. */
  readonly inputFirst?: boolean;
}

/**
 * x · Wᵀ + b with `{name}.weight` and `{name}.bias`. `from` are the axes that are summed, `to` those of the result, both with sizes in
 * stored order: a forgotten contraction does not compile.
 */
export function linear<A extends string, const N extends string, const K extends A>(
  x: Tensor<A>,
  name: string,
  to: Axes<N>,
  from: Axes<K>,
  { bias = false, inputFirst = false }: LinearOptions = {},
): Tensor<Exclude<A, K> | N> {
  const stored = (inputFirst ? { ...from, ...to } : { ...to, ...from }) as Axes<N | K>;
  const y = dot(
    x as unknown as Tensor<string>,
    weight(`${name}.weight`, stored) as unknown as Tensor<string>,
    Object.keys(from),
  );
  const result = bias ? add(y, weight(`${name}.bias`, to) as unknown as Tensor<string>) : y;
  return result as unknown as Tensor<Exclude<A, K> | N>;
}
