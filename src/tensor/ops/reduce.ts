import { apply, expectType, type Operator } from '../operator.ts';
import type { DType, Tensor } from '../tensor.ts';

const floats = ['float32', 'float64'] as const;

const reduction = (name: string, onnx: string, types: readonly DType[] = [...floats, 'int64']): Operator => ({
  name,
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

export const sum = reduce(reduction('sum', 'ReduceSum'));
export const mean = reduce(reduction('mean', 'ReduceMean', floats));
/** Largest value along the axes. */
export const highest = reduce(reduction('highest', 'ReduceMax'));
/** Smallest value along the axes. */
export const lowest = reduce(reduction('lowest', 'ReduceMin'));

const softmaxOperator: Operator = {
  name: 'softmax',
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
