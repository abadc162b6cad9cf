import { ShapeError } from '../../error.ts';
import { Dim, type Size } from '../dim.ts';
import { apply, type Operator } from '../operator.ts';
import type { DType, Literal, Tensor, Within } from '../tensor.ts';
import { type Axes, attributesOf } from './stored-axes.ts';

export type { Axes };

const source = (name: string, lower: Operator['lower'], dtype: DType = 'float32'): Operator => ({
  name,
  infer: (_, attributes) => ({
    axes: new Map((attributes.axes as string[]).map((axis, i) => [axis, (attributes.sizes as Dim[])[i]!])),
    dtype: (attributes.dtype as DType | undefined) ?? dtype,
  }),
  lower,
  gradient: { none: 'a source has no inputs' },
});

const inputOperator = source('input', (node, lowering) =>
  lowering.input(node.attributes.name as string, node.dtype, node.axes),
);

/** A value that is fed at each run. Names of dynamic sizes (`'T'`) take their value from what is fed. */
export function input<const A extends string>(name: string, axes: Axes<A>, dtype: DType = 'float32'): Tensor<A> {
  if (!/^[A-Za-z_][\w.]*$/.test(name))
    throw new ShapeError(`input: expected a name of letters, digits, _ and ., got "${name}"`);
  return apply(inputOperator, [], { name, dtype, ...attributesOf(`input ${name}`, axes) });
}

const weightOperator = source('weight', (node, lowering) => lowering.weight(node.attributes.name as string, node.axes));

/** A tensor of the checkpoint, by its Hugging Face name; the keys of `axes` are in stored order (`{ F, M }` for [out, in]). */
export function weight<const A extends string>(name: string, axes: Axes<A>): Tensor<A> {
  return apply(weightOperator, [], { name, ...attributesOf(`weight ${name}`, axes, 'fixed') });
}

const arrays = {
  float32: (values: readonly number[]) => new Float32Array(values),
  float64: (values: readonly number[]) => new Float64Array(values),
  int64: (values: readonly number[]) => new BigInt64Array(values.map(BigInt)),
  bool: (values: readonly number[]) => new Uint8Array(values),
};

const constantOperator = source('constant', (node, lowering) => {
  const layout = [...node.axes.keys()];
  const shape = layout.map((axis) => node.axes.get(axis)!.evaluate({}));
  return { name: lowering.constant(node.dtype, shape, node.attributes.data as Uint8Array), layout };
});

/** Fixed numbers, row-major in the order of the keys of `axes`. */
export function constant<const A extends string>(
  values: readonly number[],
  axes: Axes<A>,
  dtype: DType = 'float32',
): Tensor<A> {
  const attributes = attributesOf('constant', axes, 'fixed');
  const size = attributes.sizes.reduce((product, dim) => product * dim.constant!, 1);
  if (values.length !== size)
    throw new ShapeError(
      `constant: expected ${size} values for [${Object.keys(axes).join(', ')}], got ${values.length}`,
    );
  if (dtype === 'int64' && !values.every(Number.isSafeInteger))
    throw new ShapeError(
      `constant: expected whole numbers for int64, got ${values.find((v) => !Number.isSafeInteger(v))}`,
    );
  return apply(constantOperator, [], {
    data: new Uint8Array(arrays[dtype](values).buffer),
    dtype,
    ...attributes,
  });
}

/** One number without axes. */
export function scalar(value: number, dtype: DType = 'float32'): Tensor<never> {
  return constant([value], {}, dtype);
}

/** The number that `scalar` made, else undefined. */
export function numberOf({ node }: Within<string>): number | undefined {
  if (node.operator !== constantOperator || node.axes.size > 0) return undefined;
  const { buffer } = (node.attributes.data as Uint8Array).slice();
  if (node.dtype === 'float32') return new Float32Array(buffer)[0];
  return node.dtype === 'float64' ? new Float64Array(buffer)[0] : undefined;
}

const iotaOperator = source(
  'iota',
  (node, lowering) => {
    const [axis, size] = [...node.axes][0]!;
    const end = lowering.value('Squeeze', [lowering.size(size)]);
    const [zero, one] = [0n, 1n].map((n) => lowering.constant('int64', [], new BigInt64Array([n])));
    return { name: lowering.value('Range', [zero!, end, one!]), layout: [axis] };
  },
  'int64',
);

/** 0, 1, 2, … along one axis. */
export function iota<const A extends string>(axis: Literal<A> & A, size: Size): Tensor<A> {
  return apply(iotaOperator, [], attributesOf('iota', { [axis]: size }));
}

const extentOperator: Operator = {
  name: 'extent',
  infer: () => ({ axes: new Map(), dtype: 'int64' }),
  lower: (node, lowering) => ({
    name: lowering.value('Squeeze', [lowering.size(node.attributes.size as Dim)]),
    layout: [],
  }),
  gradient: { none: 'a size does not depend on values' },
};

/** A size as a number of the graph (int64): dynamic sizes take their value from what is fed. */
export function extent(size: Size): Tensor<never> {
  return apply(extentOperator, [], { size: Dim.of(size) });
}
