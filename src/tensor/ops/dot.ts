import { ShapeError } from '../../error.ts';
import { canonical } from '../axes.ts';
import { Dim } from '../dim.ts';
import type { Lowering, Placed } from '../lowering.ts';
import { apply, expectType, type Operator, union } from '../operator.ts';
import { describe, type Node, type Tensor } from '../tensor.ts';
import { blockProduct } from './blocks.ts';
import { multiply } from './elementwise.ts';
import { broadcast } from './shape.ts';

const product = (node: Node, axes: readonly string[]) =>
  axes.reduce((size, axis) => size.times(node.size(axis)), Dim.of(1));

const dynamic = (node: Node) => [...node.axes.values()].some((size) => size.constant === undefined);

/** The axes in the order in which they lie. */
function axesOf(place: Placed): string[] {
  return place.layout.filter((axis) => axis !== null);
}

/** Both operands share no axis but the contracted ones: one product of two matrices, each as it lies where that is a matrix already. */
function gemm(left: Node, right: Node, over: readonly string[], lowering: Lowering): Placed {
  const stored = axesOf(lowering.get(right));
  const inner = stored.filter((axis) => over.includes(axis));
  const matrix = (node: Node) => {
    const lies = axesOf(lowering.get(node));
    const outer = lies.filter((axis) => !over.includes(axis));
    const lastInner = !over.includes(lies[0] ?? '');
    const halves = lastInner ? [outer, inner] : [inner, outer];
    const order = halves.flat();
    const name = lowering.reshape(
      lowering.arrange(lowering.get(node), order),
      order.map((axis) => node.size(axis)),
      halves.map((half) => product(node, half)),
    );
    return { name, outer, lastInner };
  };
  const [a, b] = [matrix(left), matrix(right)];
  const roles = { ...(a.lastInner ? {} : { transA: 1 }), ...(b.lastInner ? { transB: 1 } : {}) };
  const name = lowering.value('Gemm', [a.name, b.name], roles);
  const to = [...a.outer.map((axis) => left.size(axis)), ...b.outer.map((axis) => right.size(axis))];
  return {
    name: lowering.reshape(name, [product(left, a.outer), product(right, b.outer)], to),
    layout: [...a.outer, ...b.outer],
  };
}

/** Operands share axes that are not contracted: a batch of matrix products in canonical order. */
function batched(left: Node, right: Node, over: readonly string[], lowering: Lowering): Placed {
  const batch = canonical([...left.axes.keys()].filter((axis) => right.axes.has(axis) && !over.includes(axis)));
  const free = (node: Node) => canonical([...node.axes.keys()].filter((a) => !batch.includes(a) && !over.includes(a)));
  const [rows, columns] = [free(left), free(right)];
  const batchDims = batch.map((axis) => left.size(axis));
  const flat = (node: Node, first: readonly string[], second: readonly string[]) => {
    const lies = axesOf(lowering.get(node));
    // Matrices that lie the other way round are turned right before the product, where the runtime fuses that with it.
    const other = [...batch, ...second, ...first];
    const turned = first.length > 0 && second.length > 0 && other.every((axis, i) => lies[i] === axis);
    const halves = turned ? [second, first] : [first, second];
    const order = [...batch, ...halves.flat()];
    const name = lowering.reshape(
      lowering.arrange(lowering.get(node), order),
      order.map((axis) => node.size(axis)),
      [...batchDims, ...halves.map((half) => product(node, half))],
    );
    const places = batch.map((_, i) => i);
    return turned ? lowering.value('Transpose', [name], { perm: [...places, batch.length + 1, batch.length] }) : name;
  };
  const name = lowering.value('MatMul', [flat(left, rows, over), flat(right, over, columns)]);
  const from = [...batchDims, product(left, rows), product(right, columns)];
  const to = [...batchDims, ...rows.map((axis) => left.size(axis)), ...columns.map((axis) => right.size(axis))];
  return { name: lowering.reshape(name, from, to), layout: [...batch, ...rows, ...columns] };
}

const dotOperator: Operator = {
  name: 'dot',
  gradient(upstream, [a, b], result) {
    const g = broadcast(upstream, result.node.axes);
    // For each operand: the upstream against the other, over all axes that this one lacks.
    const against = (operand: Tensor<string>, other: Tensor<string>) => {
      const over = [...g.node.axes.keys()].filter((axis) => !operand.node.axes.has(axis));
      return over.length === 0 ? multiply(g, other) : dot(g, other, over);
    };
    return [against(a!, b!), against(b!, a!)];
  },
  infer(inputs, { over }) {
    const axes = union('dot', inputs);
    for (const input of inputs) expectType('dot', input, 'float32', 'float64');
    if (inputs[0]!.dtype !== inputs[1]!.dtype)
      throw new ShapeError(`dot: operands are ${inputs[0]!.dtype} and ${inputs[1]!.dtype}; cast one of them`);
    for (const axis of over as string[])
      for (const input of inputs)
        if (!input.axes.has(axis))
          throw new ShapeError(
            `dot over ${axis}: no such axis in ${describe(input)} (operands ${inputs.map(describe).join(' · ')})`,
          );
    return { axes: new Map([...axes].filter(([axis]) => !(over as string[]).includes(axis))), dtype: inputs[0]!.dtype };
  },
  lower(node, lowering) {
    const [a, b] = node.inputs as [Node, Node];
    const over = canonical(node.attributes.over as string[]);
    for (const [x, matrix] of [
      [a, b],
      [b, a],
    ] as const)
      if (lowering.blocksOf(lowering.get(matrix))) return blockProduct(x, matrix, over, lowering);
    const shared = [...a.axes.keys()].some((axis) => b.axes.has(axis) && !over.includes(axis));
    if (shared) return batched(a, b, over, lowering);
    // What is computed while running comes first, so that its rows stay rows and a weight stays as stored.
    return dynamic(b) && !dynamic(a) ? gemm(b, a, over, lowering) : gemm(a, b, over, lowering);
  },
};

/** Σ over the named axes of a · b; axes that both have and that are not summed are matched, all others are kept. */
export function dot<A extends string, B extends string, const K extends A & B>(
  a: Tensor<A>,
  b: Tensor<B>,
  over: K | readonly K[],
): Tensor<Exclude<A | B, K>> {
  return apply(dotOperator, [a, b], { over: [...new Set<string>(typeof over === 'string' ? [over] : over)] });
}
