import { Dim } from '../dim.ts';
import { apply, expectType, type Gradient, type Operator } from '../operator.ts';
import type { DType, Tensor } from '../tensor.ts';
import { cast, divide, equal, multiply, subtract } from './elementwise.ts';
import { extent } from './source.ts';

const floats = ['float32', 'float64'] as const;

const reduction = (
  name: string,
  onnx: string,
  gradient: Gradient,
  types: readonly DType[] = [...floats, 'int64'],
): Operator => ({
  name,
  gradient,
  infer([x], { over }) {
    expectType(name, x!, ...types);
    for (const axis of over as string[]) x!.size(axis, name);
    return { axes: new Map([...x!.axes].filter(([axis]) => !(over as string[]).includes(axis))), dtype: x!.dtype };
  },
  lower(node, lowering) {
    const { name: value, layout } = lowering.get(node.inputs[0]!);
    const over = node.attributes.over as string[];
    const places = lowering.integers(layout.flatMap((axis, i) => (axis !== null && over.includes(axis) ? [i] : [])));
    // The reduced dimension stays, with size one: [B, T, ·] broadcasts against [B, T, M] without a reshape.
    return {
      name: lowering.value(onnx, [value, places], { keepdims: 1 }),
      layout: layout.map((axis) => (axis !== null && over.includes(axis) ? null : axis)),
    };
  },
});

type Reduce = <A extends string, const K extends A>(x: Tensor<A>, over: K | readonly K[]) => Tensor<Exclude<A, K>>;
const reduce =
  (operator: Operator): Reduce =>
  (x, over) => {
    const axes: readonly string[] = typeof over === 'string' ? [over] : over;
    // ONNX takes an empty list of axes for all of them.
    return axes.length === 0 ? (x as never) : apply(operator, [x], { over: axes });
  };

/** The extreme's gradient, shared equally by the places that have it. */
const shared: Gradient = (g, [x], y, { over }) => {
  const here = cast(equal(x!, y), x!.node.dtype);
  return [multiply(here, divide(g, sum(here, over as string[])))];
};

export const sum = reduce(reduction('sum', 'ReduceSum', (g) => [g]));
export const mean = reduce(
  reduction(
    'mean',
    'ReduceMean',
    (g, [x], _, { over }) => {
      const count = (over as string[]).reduce((product, axis) => product.times(x!.node.size(axis)), Dim.of(1));
      return [divide(g, cast(extent(count), x!.node.dtype) as unknown as Tensor<string>)];
    },
    floats,
  ),
);
/** Largest value along the axes. */
export const highest = reduce(reduction('highest', 'ReduceMax', shared));
/** Smallest value along the axes. */
export const lowest = reduce(reduction('lowest', 'ReduceMin', shared));

const softmaxOperator: Operator = {
  name: 'softmax',
  gradient(g, _, y, { axis }) {
    const weighted = multiply(g, y);
    return [subtract(weighted, multiply(y, sum(weighted, axis as string)))];
  },
  infer([x], { axis }) {
    expectType('softmax', x!, ...floats);
    x!.size(axis as string, 'softmax');
    return { axes: x!.axes, dtype: x!.dtype };
  },
  lower(node, lowering) {
    const { name, layout } = lowering.get(node.inputs[0]!);
    return {
      name: lowering.value('Softmax', [name], { axis: layout.indexOf(node.attributes.axis as string) }),
      layout,
    };
  },
};

/** exp(x − max x) / Σ exp(x − max x) along one axis. A row of −∞ only is NaN: mask so that none occurs. */
export function softmax<A extends string, const K extends A>(x: Tensor<A>, axis: K): Tensor<A> {
  return apply(softmaxOperator, [x], { axis });
}
