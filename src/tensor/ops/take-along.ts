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

/** The axes of what is taken, which are those of the ids: the axes of the value but one, and perhaps one of its own instead. */
function takenAxes(operator: string, x: Node, ids: Node, axis: string): Map<string, Dim> {
  const own = [...ids.axes].filter(([name]) => !x.axes.has(name));
  if (own.length !== 1) return expectIds(operator, x, ids, axis);
  const fits = [...x.axes].every(([name, size]) => name === axis || ids.axes.get(name)?.equals(size));
  if (!fits || ids.axes.size !== x.axes.size)
    throw new ShapeError(
      `${operator}: expected ids with the axes of ${describe(x)} except ${axis}, and at most one more, got ${describe(ids)}`,
    );
  expectType(operator, ids, 'int64');
  x.size(axis, operator);
  return new Map(ids.axes);
}

/** The layout of a value with what the ids have in place of the axis. */
function takenLayout(lowering: Lowering, x: Node, ids: Node, axis: string): (string | null)[] {
  const own = [...ids.axes.keys()].find((name) => !x.axes.has(name)) ?? null;
  return lowering.get(x).layout.map((name) => (name === axis ? own : name));
}

/** A value without the axis in the layout of one with it: size one along it. */
export function beside(lowering: Lowering, node: Node, x: Node): string {
  return lowering.arrange(lowering.get(node), lowering.get(x).layout);
}

const takeAlongOperator: Operator = {
  name: 'takeAlong',
  infer: ([x, ids], { axis }) => ({ axes: takenAxes('takeAlong', x!, ids!, axis as string), dtype: x!.dtype }),
  lower(node, lowering) {
    const [x, ids] = node.inputs as [Node, Node];
    const axis = node.attributes.axis as string;
    const place = lowering.get(x);
    const layout = takenLayout(lowering, x, ids, axis);
    const operands = [place.name, lowering.arrange(lowering.get(ids), layout)];
    return { name: lowering.value('GatherElements', operands, { axis: place.layout.indexOf(axis) }), layout };
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
 * have the axes of x except this one; with one more of their own they take several values: [B, T, E] at [B, T, K] give [B, T, K]. Ids beyond
 * the axis fail; negative ones count from its end.
 */
export function takeAlong<A extends string, const K extends A, N extends string = never>(
  x: Tensor<A>,
  ids: Tensor<Exclude<A, K> | N>,
  axis: K,
): Tensor<Exclude<A, K> | N> {
  return apply(takeAlongOperator, [x, ids], { axis });
}

const addAlongOperator: Operator = {
  name: 'addAlong',
  infer([x, values, ids], { axis }) {
    expectType('addAlong', x!, 'float32', 'float64');
    const rest = takenAxes('addAlong', x!, ids!, axis as string);
    if (
      values!.dtype !== x!.dtype ||
      values!.axes.size !== rest.size ||
      ![...rest.keys()].every((a) => values!.axes.has(a))
    )
      throw new ShapeError(
        ids!.axes.size === x!.axes.size
          ? `addAlong: expected ${x!.dtype} values with the axes of the ids, ${describe(ids!)}, got ${describe(values!)} ${values!.dtype}`
          : `addAlong: expected ${x!.dtype} values with the axes of ${describe(x!)} except ${axis}, got ${describe(values!)} ${values!.dtype}`,
      );
    return { axes: x!.axes, dtype: x!.dtype };
  },
  lower(node, lowering) {
    const [x, values, ids] = node.inputs as [Node, Node, Node];
    const axis = node.attributes.axis as string;
    const { name, layout } = lowering.get(x);
    const taken = takenLayout(lowering, x, ids, axis);
    const operands = [name, ...[ids, values].map((operand) => lowering.arrange(lowering.get(operand), taken))];
    return {
      name: lowering.value('ScatterElements', operands, { axis: layout.indexOf(axis), reduction: 'add' }),
      layout,
    };
  },
  gradient(upstream, [x, , ids], _, { axis }) {
    const whole = broadcast(upstream, x!.node.axes);
    return [upstream, takeAlong(whole, ids as never, axis as string as never), undefined];
  },
};

/** x with values added at one id along an axis, or several, for each place of the others. What `takeAlong` is differentiated into. */
export function addAlong<A extends string, const K extends A, N extends string = never>(
  x: Tensor<A>,
  values: Tensor<Exclude<A, K> | N>,
  ids: Tensor<Exclude<A, K> | N>,
  axis: K,
): Tensor<A> {
  return apply(addAlongOperator, [x, values, ids], { axis });
}
