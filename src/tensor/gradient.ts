import { ShapeError } from '../error.ts';
import { Dim } from './dim.ts';
import { add, cast, multiply } from './ops/elementwise.ts';
import { sum } from './ops/reduce.ts';
import { broadcast } from './ops/shape.ts';
import { extent, scalar } from './ops/source.ts';
import { describe, type Node, type Tensor, type Within } from './tensor.ts';

/**
 * Reverse mode, graph in, graph out: the gradient of a loss without axes with respect to any values it was made from, each with the axes of
 * its value. What comes out is ordinary graph: it can be lowered, reduced, and differentiated again. A value that the loss does not depend
 * on has gradient zero. Throws a ShapeError for a loss with axes, for values that are not floating, and when a path leads through an operator that has no gradient although
 * its result depends smoothly on its inputs (it names the operator and the reason).
 */
export function gradients<const W extends readonly Within<string>[]>(
  loss: Tensor<never>,
  wrt: W,
): { -readonly [I in keyof W]: W[I] };
export function gradients(loss: Tensor<never>, wrt: readonly unknown[]): unknown {
  const targets = wrt as readonly Tensor<string>[];
  const root = loss.node;
  if (root.axes.size > 0)
    throw new ShapeError(`gradients: expected a loss without axes, got ${describe(root)}; sum or average it first`);
  for (const { node } of [loss, ...targets])
    if (!node.dtype.startsWith('float'))
      throw new ShapeError(
        `gradients: expected floating values, got ${node.dtype} (${node.operator.name} ${describe(node)})`,
      );
  const order = dependents(
    root,
    targets.map(({ node }) => node),
  );
  const flowing = new Map<Node, Tensor<string>>();
  if (order.has(root)) flowing.set(root, scalar(1, root.dtype) as unknown as Tensor<string>);
  for (const node of [...order].sort((a, b) => b.serial - a.serial)) {
    const upstream = flowing.get(node);
    if (!upstream || node.inputs.length === 0) continue;
    const { gradient, broadcasts, name } = node.operator;
    if (typeof gradient !== 'function') {
      if (name === 'fusedAttention') throw new ShapeError(`gradients: ${name} has no gradient: ${gradient.none}`);
      continue;
    }
    const values = node.inputs as unknown as readonly Tensor<string>[];
    const found = gradient(upstream, values, node as unknown as Tensor<string>, node.attributes);
    node.inputs.forEach((input, i) => {
      const part = found[i] as Tensor<string> | undefined;
      if (part === undefined || !order.has(input)) return;
      const fitted = broadcasts ? reduceTo(part, node, input) : part;
      const before = flowing.get(input);
      flowing.set(input, before ? add(before, fitted) : fitted);
    });
  }
  return targets.map((target) => broadcast(flowing.get(target.node) ?? zero(target), target.node.axes));
}

const zero = (target: Tensor<string>) => scalar(0, target.node.dtype) as unknown as Tensor<string>;

/** Sums a gradient over the axes of the result that the operand lacks; along an axis that the gradient lacks too it is constant. */
function reduceTo(part: Tensor<string>, result: Node, input: Node): Tensor<string> {
  const lacking = [...result.axes.keys()].filter((axis) => !input.axes.has(axis));
  const present = lacking.filter((axis) => part.node.axes.has(axis));
  const times = lacking
    .filter((axis) => !part.node.axes.has(axis))
    .reduce((product, axis) => product.times(result.size(axis)), Dim.of(1));
  const summed = sum(part, present) as unknown as Tensor<string>;
  if (times.equals(1)) return summed;
  return multiply(summed, cast(extent(times), part.node.dtype) as unknown as Tensor<string>);
}

/** The nodes between the loss and the targets: everything that depends on a target and that the loss depends on. */
function dependents(root: Node, targets: readonly Node[]): Set<Node> {
  const reached = new Set([root]);
  for (const node of reached) for (const input of node.inputs) reached.add(input);
  const wanted = new Set(targets);
  const found = new Set<Node>();
  for (const node of [...reached].sort((a, b) => a.serial - b.serial))
    if (wanted.has(node) || node.inputs.some((input) => found.has(input))) found.add(node);
  return found;
}
