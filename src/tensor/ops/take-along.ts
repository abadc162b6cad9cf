import { ShapeError } from '../../error.ts';
import type { Dim } from '../dim.ts';
import type { Lowering } from '../lowering.ts';
import { apply, expectType, type Operator } from '../operator.ts';
import { describe, type Node, type Tensor } from '../tensor.ts';
import { broadcast } from './shape.ts';
import { scalar } from './source.ts';

/** Throws unless the ids are whole numbers with exactly the axes of the value but one. */
export function expectIds(operator: string, x: Node, ids: Node, axis: string): Map<string, Dim> {
  expectType(operator, ids, 'int64');
  x.size(axis, operator);
  const rest = new Map([...x.axes].filter(([name]) => name !== axis));
  if (ids.axes.size !== rest.size || ![...rest].every(([name, size]) => ids.axes.get(name)?.equals(size)))
    throw new ShapeError(
      `${operator}: expected ids with the axes of ${describe(x)} except ${axis}, got ${describe(ids)}`,
    );
  return rest;
}

/** A value without the axis in the layout of one with it: size one along it. */
export function beside(lowering: Lowering, node: Node, x: Node): string {
  return lowering.arrange(lowering.get(node), lowering.get(x).layout);
}

const takeAlongOperator: Operator = {
  name: 'takeAlong',
  infer: ([x, ids], { axis }) => ({ axes: expectIds('takeAlong', x!, ids!, axis as string), dtype: x!.dtype }),
  lower(node, lowering) {
    const [x, ids] = node.inputs as [Node, Node];
    const { name, layout } = lowering.get(x);
    const place = layout.indexOf(node.attributes.axis as string);
    return {
      name: lowering.value('GatherElements', [name, beside(lowering, ids, x)], { axis: place }),
      layout: layout.map((axis, i) => (i === place ? null : axis)),
    };
  },
  gradient(upstream, [x, ids], result, { axis }) {
    const zero = scalar(0, x!.node.dtype) as unknown as Tensor<string>;
    return [
      addAlong(
        broadcast(zero, x!.node.axes),
        broadcast(upstream, result.node.axes) as never,
        ids as never,
        axis as string,
      ),
      undefined,
    ];
  },
};

/**
 * The value at one id along an axis for each place of the others: logits [B, T, V] at targets [B, T] give [B, T]. The ids (int64, from 0)
 * have the axes of x except this one. Ids beyond the axis fail; negative ones count from its end.
 */
export function takeAlong<A extends string, const K extends A>(
  x: Tensor<A>,
  ids: Tensor<Exclude<A, K>>,
  axis: K,
): Tensor<Exclude<A, K>> {
  return apply(takeAlongOperator, [x, ids], { axis });
}

const addAlongOperator: Operator = {
  name: 'addAlong',
  infer([x, values, ids], { axis }) {
    expectType('addAlong', x!, 'float32', 'float64');
    const rest = expectIds('addAlong', x!, ids!, axis as string);
    if (
      values!.dtype !== x!.dtype ||
      values!.axes.size !== rest.size ||
      ![...rest.keys()].every((a) => values!.axes.has(a))
    )
      throw new ShapeError(
        `addAlong: expected ${x!.dtype} values with the axes of ${describe(x!)} except ${axis}, got ${describe(values!)} ${values!.dtype}`,
      );
    return { axes: x!.axes, dtype: x!.dtype };
  },
  lower(node, lowering) {
    const [x, values, ids] = node.inputs as [Node, Node, Node];
    const { name, layout } = lowering.get(x);
    const added = beside(lowering, values, x);
    const place = layout.indexOf(node.attributes.axis as string);
    const operands = [name, beside(lowering, ids, x), added];
    return { name: lowering.value('ScatterElements', operands, { axis: place, reduction: 'add' }), layout };
  },
  gradient(upstream, [x, , ids], _, { axis }) {
    const whole = broadcast(upstream, x!.node.axes);
    return [upstream, takeAlong(whole, ids as never, axis as string as never), undefined];
  },
};

/** x with values added at one id along an axis for each place of the others. What `takeAlong` is differentiated into. */
export function addAlong<A extends string, const K extends A>(
  x: Tensor<A>,
  values: Tensor<Exclude<A, K>>,
  ids: Tensor<Exclude<A, K>>,
  axis: K,
): Tensor<A> {
  return apply(addAlongOperator, [x, values, ids], { axis });
}
