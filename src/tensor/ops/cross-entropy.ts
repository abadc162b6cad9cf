import { apply, expectType, type Operator } from '../operator.ts';
import type { Node, Tensor } from '../tensor.ts';
import { multiply, negate } from './elementwise.ts';
import { softmax } from './reduce.ts';
import { broadcast } from './shape.ts';
import { addAlong, beside, expectIds } from './take-along.ts';

const crossEntropyOperator: Operator = {
  name: 'crossEntropy',
  infer([logits, targets], { axis }) {
    expectType('crossEntropy', logits!, 'float32', 'float64');
    return { axes: expectIds('crossEntropy', logits!, targets!, axis as string), dtype: logits!.dtype };
  },
  lower(node, lowering) {
    const [logits, targets] = node.inputs as [Node, Node];
    const { name, layout } = lowering.get(logits);
    const axis = layout.indexOf(node.attributes.axis as string);
    const highest = (value: string) => lowering.value('ReduceMax', [value, lowering.integers([axis])], { keepdims: 1 });
    // The gradient needs the same probabilities. The largest is at least 1/V, so its logarithm is safe: ln Σ exp l = max l − ln max p.
    const top = lowering.value('Log', [highest(lowering.value('Softmax', [name], { axis }))]);
    const spread = lowering.value('Sub', [highest(name), top]);
    const chosen = lowering.value('GatherElements', [name, beside(lowering, targets, logits)], { axis });
    return {
      name: lowering.value('Sub', [spread, chosen]),
      layout: layout.map((letter, i) => (i === axis ? null : letter)),
    };
  },
  gradient(upstream, [logits, targets], result, { axis }) {
    const g = broadcast(upstream, result.node.axes);
    const weighted = multiply(softmax(logits!, axis as string), upstream);
    return [addAlong(weighted, negate(g) as never, targets as never, axis as string), undefined];
  },
};

/**
 * −ln softmax(logits)[target] = ln Σ exp l − l[target] along one axis, in nats: logits [B, T, V] and targets [B, T] (int64, from 0) give
 * [B, T]. Finite for any finite logits. The gradient, (softmax − one-hot) · upstream, shares the probabilities with the value.
 * Ids beyond the axis fail; negative ones count from its end. To leave places out, give them any valid id and select their result away.
 */
export function crossEntropy<A extends string, const K extends A>(
  logits: Tensor<A>,
  targets: Tensor<Exclude<A, K>>,
  axis: K,
): Tensor<Exclude<A, K>> {
  return apply(crossEntropyOperator, [logits, targets], { axis });
}
