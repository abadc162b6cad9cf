import { InputError } from '../error.ts';
import type { Tensor, Within } from '../tensor/index.ts';
import { ancestors, usersOf } from '../tensor/schedule.ts';
import type { Node } from '../tensor/tensor.ts';

/**
 * What the graph does with a parameter. `matrix`: contracted in a product. `table`: its rows are looked up, or it has the axis V
 * (embeddings and output table). `vector`: everything else (norms, biases, learned sinks), however many axes it has.
 */
export type ParameterRole = 'matrix' | 'table' | 'vector';

/** One trained tensor: all `weight` nodes of one name. */
export interface Parameter {
  readonly name: string;
  /** Axes with their sizes, in stored order. */
  readonly axes: ReadonlyMap<string, number>;
  /** Sizes in stored order: one for each axis. */
  readonly shape: readonly number[];
  readonly role: ParameterRole;
  /** Axes that products sum over; none for a vector. */
  readonly inputAxes: readonly string[];
  /** Axes whose places are looked up by ids; none unless it is a table. */
  readonly lookupAxes: readonly string[];
  /** Axes along which it is several matrices side by side (experts; queries, keys and values stored together). */
  readonly batchAxes: readonly string[];
  /** The nodes that stand for it in the graph. */
  readonly nodes: readonly Tensor<string>[];
}

/** Operators that pass a weight on, some of its axes cut. */
const passing = new Set(['mark', 'slice', 'pick']);

/** The parameters below some values, in the order in which the graph asks for them. Throws an InputError when there is none. */
export function parametersOf(roots: readonly Within<string>[]): Parameter[] {
  const nodes = ancestors(roots.map(({ node }) => node));
  const users = usersOf(nodes);
  const weights = nodes.filter(({ operator }) => operator.name === 'weight');
  if (weights.length === 0) throw new InputError('task: the loss depends on no weight, so there is nothing to train');
  const byName = new Map<string, Node[]>();
  for (const node of weights) {
    const name = node.attributes.name as string;
    byName.set(name, [...(byName.get(name) ?? []), node]);
  }
  return [...byName].map(([name, same]) => describeParameter(name, same, users));
}

function describeParameter(name: string, nodes: readonly Node[], users: ReadonlyMap<Node, readonly Node[]>): Parameter {
  const [first] = nodes as [Node];
  const order = [...first.axes.keys()];
  for (const node of nodes)
    if (
      [...node.axes].map(([axis, size]) => `${axis} ${size}`).join() !==
      [...first.axes].map(([axis, size]) => `${axis} ${size}`).join()
    )
      throw new InputError(
        `task: weight ${name} is used with axes [${order}] and [${[...node.axes.keys()]}]; give it the same axes everywhere`,
      );
  const inputs = new Set<string>();
  const batch = new Set<string>();
  const looked = new Set<string>();
  const reached = new Map<Node, Node>(nodes.map((node) => [node, node]));
  for (const [node] of reached)
    for (const user of users.get(node) ?? []) {
      const { name: operator } = user.operator;
      if (passing.has(operator)) {
        reached.set(user, node);
        if (operator === 'pick') batch.add(user.attributes.axis as string);
      } else if (operator === 'gather' && user.inputs[0] === node) looked.add(user.attributes.axis as string);
      else if (operator === 'dot') {
        const over = user.attributes.over as readonly string[];
        const other = user.inputs.find((input) => input !== node) ?? node;
        for (const axis of node.axes.keys())
          if (over.includes(axis)) inputs.add(axis);
          else if (other.axes.has(axis)) batch.add(axis);
      }
    }
  if (order.includes('E')) batch.add('E');
  const axes = new Map([...first.axes].map(([axis, size]) => [axis, size.evaluate({})]));
  return {
    name,
    axes,
    shape: [...axes.values()],
    role: looked.size > 0 || order.includes('V') ? 'table' : inputs.size > 0 ? 'matrix' : 'vector',
    inputAxes: order.filter((axis) => inputs.has(axis)),
    lookupAxes: order.filter((axis) => looked.has(axis)),
    batchAxes: order.filter((axis) => batch.has(axis) && !inputs.has(axis)),
    nodes: nodes as unknown as readonly Tensor<string>[],
  };
}

/**
 * The shape under which checkpoints store a parameter: neighbouring axes on one side of the product are one dimension ([G, R, D, M] is
 * [G·R·D, M]), a vector has one; experts E and the rows of a table keep a dimension of their own.
 */
export function storedShape({ axes, inputAxes, lookupAxes }: Parameter): number[] {
  const shape: number[] = [];
  let before: string | undefined;
  for (const [axis, size] of axes) {
    const alone = axis === 'E' || lookupAxes.includes(axis);
    const side = alone ? axis : inputAxes.includes(axis) ? 'in' : 'out';
    if (side === before) shape.push(shape.pop()! * size);
    else shape.push(size);
    before = side;
  }
  return shape;
}
