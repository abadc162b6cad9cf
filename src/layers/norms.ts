import {
  type Axes,
  add,
  divide,
  mean,
  multiply,
  power,
  sizes,
  sqrt,
  subtract,
  type Tensor,
  weight,
} from '../tensor/index.ts';

export interface NormOptions {
  /** Added to the mean square before the root. */
  readonly epsilon: number;
  /** Added to the stored weight (Gemma stores weight − 1). Default 0. */
  readonly offset?: number;
}

/** The axes with their sizes, as a weight has them. */
const axesOf = (x: Tensor<string>, axes: readonly string[]) =>
  Object.fromEntries(axes.map((axis) => [axis, sizes(x).get(axis)!.evaluate({})])) as Axes<string>;

const scaleOf = (name: string, axes: Axes<string>, offset: number) => {
  const scale = weight(`${name}.weight`, axes);
  return offset === 0 ? scale : add(scale, offset);
};

/** x / √(mean x² + ε) · weight over one axis, or over several together in stored order (RMSNorm, 1910.07467). */
export function rmsNorm<A extends string, const K extends A>(
  x: Tensor<A>,
  axis: K | readonly K[],
  name: string,
  { epsilon, offset = 0 }: NormOptions,
): Tensor<A> {
  const root = sqrt(add(mean(power(x, 2), axis), epsilon));
  const over: readonly string[] = typeof axis === 'string' ? [axis] : axis;
  const scale = scaleOf(name, axesOf(x as unknown as Tensor<string>, over), offset);
  return multiply(divide(x, root as never) as Tensor<A>, scale as never) as Tensor<A>;
}

/** x / √(mean x² + ε) over one axis, with no parameters (SRMSNorm, 2307.14995). */
export function simpleRmsNorm<A extends string, const K extends A>(
  x: Tensor<A>,
  axis: K,
  { epsilon }: Pick<NormOptions, 'epsilon'>,
): Tensor<A> {
  return divide(x, sqrt(add(mean(power(x, 2), axis), epsilon)) as never) as Tensor<A>;
}

/** (x − mean x) / √(var x + ε) over one axis, with no parameters (OLMo, 2402.00838). */
export function simpleLayerNorm<A extends string, const K extends A>(
  x: Tensor<A>,
  axis: K,
  { epsilon }: Pick<NormOptions, 'epsilon'>,
): Tensor<A> {
  const centred = subtract(x, mean(x, axis) as never) as Tensor<A>;
  const root = sqrt(add(mean(power(centred, 2), axis), epsilon));
  return divide(centred, root as never) as Tensor<A>;
}

/** (x − mean x) / √(var x + ε) · weight + bias over one axis (LayerNorm, 1607.06450); `bias` false: without one. */
export function layerNorm<A extends string, const K extends A>(
  x: Tensor<A>,
  axis: K,
  name: string,
  { epsilon, bias = true }: Pick<NormOptions, 'epsilon'> & { readonly bias?: boolean },
): Tensor<A> {
  const axes = axesOf(x as unknown as Tensor<string>, [axis]);
  const normed = simpleLayerNorm(x, axis, { epsilon });
  const scaled = multiply(normed, weight(`${name}.weight`, axes) as never) as Tensor<A>;
  return bias ? (add(scaled, weight(`${name}.bias`, axes) as never) as Tensor<A>) : scaled;
}
