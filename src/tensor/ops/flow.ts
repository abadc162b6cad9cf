import { apply, type Operator } from '../operator.ts';
import type { Tensor, Within } from '../tensor.ts';
import { add, subtract } from './elementwise.ts';

const same = (name: string, gradient: Operator['gradient']): Operator => ({
  name,
  infer: ([x]) => ({ axes: x!.axes, dtype: x!.dtype }),
  lower: (node, lowering) => lowering.get(node.inputs[0]!),
  gradient,
});

const markOperator = same('mark', (g) => [g]);
const stopGradientOperator = same('stopGradient', { none: 'it is there to stop the gradient' });

/** The same values as a node of their own, so that the gradient there has no paths around it. Costs nothing when run. */
export function mark<A extends string>(x: Tensor<A>): Tensor<A> {
  return apply(markOperator, [x]);
}

/** The same values, through which no gradient flows. */
export function stopGradient<A extends string>(x: Tensor<A>): Tensor<A> {
  return apply(stopGradientOperator, [x]);
}

/** The values of `value` with the gradient of `instead`: a straight-through estimator (1308.3432). */
export function straightThrough<A extends string>(value: Tensor<A>, instead: Tensor<A>): Tensor<A> {
  // In this order the values are exact: a finite number minus itself is 0.
  return add(stopGradient(value), subtract(instead, stopGradient(instead)));
}

/** Is this the other value, perhaps marked? */
export function isSame(a: Within<string>, b: Within<string>): boolean {
  let { node } = a;
  while (node.operator === markOperator && node !== b.node) node = node.inputs[0]!;
  return node === b.node;
}
