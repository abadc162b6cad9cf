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

const scaleOf = (name: string, axis: string, size: number, offset: number) => {
  const scale = weight(`${name}.weight`, { [axis]: size } as Axes<string>);
  return offset === 0 ? scale : add(scale, offset);
};

/** x / √(mean x² + ε) · weight over one axis (RMSNorm, 1910.07467). */
export function rmsNorm<A extends string, const K extends A>(
  x: Tensor<A>,
  axis: K,
  name: string,
  { epsilon, offset = 0 }: NormOptions,
): Tensor<A> {
  const root = sqrt(add(mean(power(x, 2), axis), epsilon));
  const scale = scaleOf(name, axis, sizes(x).get(axis)!.evaluate({}), offset);
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

/** (x − mean x) / √(var x + ε) · weight + bias over one axis (LayerNorm, 1607.06450). */
export function layerNorm<A extends string, const K extends A>(
  x: Tensor<A>,
  axis: K,
  name: string,
  { epsilon }: NormOptions,
): Tensor<A> {
  const size = sizes(x).get(axis)!.evaluate({});
  const centred = subtract(x, mean(x, axis) as never) as Tensor<A>;
  const root = sqrt(add(mean(power(centred, 2), axis), epsilon));
  const scaled = multiply(
    divide(centred, root as never) as Tensor<A>,
    weight(`${name}.weight`, { [axis]: size } as Axes<string>) as never,
  ) as Tensor<A>;
  return add(scaled, weight(`${name}.bias`, { [axis]: size } as Axes<string>) as never) as Tensor<A>;
}
