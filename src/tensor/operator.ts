import { ShapeError } from '../error.ts';
import type { Dim } from './dim.ts';
import type { Lowering, Placed } from './lowering.ts';
import { type Attributes, type DType, describe, Node, type Tensor, type Within } from './tensor.ts';

/** What a shape rule finds: the axes with their sizes, and the element type. */
export interface Inferred {
  readonly axes: ReadonlyMap<string, Dim>;
  readonly dtype: DType;
}

/**
 * A gradient rule: from the gradient of the result, the gradient of each input (undefined where none flows). Gradients may lack axes
 * along which they are constant. An element-wise rule leaves sums over axes that an input lacks to the differentiator, so it has no
 * shape cases.
 */
export type Gradient = (
  upstream: Tensor<string>,
  inputs: readonly Tensor<string>[],
  result: Tensor<string>,
  attributes: Attributes,
) => readonly (Within<string> | undefined)[];

/** One operator, defined in one place: shape rule, lowering to ONNX, and gradient. */
export interface Operator {
  readonly name: string;
  infer(inputs: readonly Node[], attributes: Attributes): Inferred;
  lower(node: Node, lowering: Lowering): Placed;
  /** The rule, or the reason why there is none. */
  readonly gradient: Gradient | { readonly none: string };
  /** Operands are broadcast to the axes of the result: their gradients are summed over the axes they lack. Default false. */
  readonly broadcasts?: true;
  /** The size of its result is known only when it runs: it names a dimension of its own, which its lowering measures. Default false. */
  readonly makesSize?: true;
}

/** Applies an operator: checks shapes, returns the new value. The axes of the result are the caller's to type. */
export function apply<A extends string>(
  operator: Operator,
  inputs: readonly Within<string>[],
  attributes: Attributes = {},
): Tensor<A> {
  const nodes = inputs.map((input) => input.node);
  const { axes, dtype } = operator.infer(nodes, attributes);
  return new Node(operator, nodes, attributes, axes, dtype) as unknown as Tensor<A>;
}

/** The union of axes; an axis that two operands share must have one size. */
export function union(operator: string, nodes: readonly Node[]): Map<string, Dim> {
  const axes = new Map<string, Dim>();
  for (const node of nodes)
    for (const [axis, size] of node.axes) {
      const known = axes.get(axis);
      if (known && !known.equals(size))
        throw new ShapeError(
          `${operator}: axis ${axis} is ${known} in one operand and ${size} in another (${nodes.map(describe).join(', ')})`,
        );
      axes.set(axis, size);
    }
  return axes;
}

/** Throws unless the element type is one of those expected. */
export function expectType(operator: string, node: Node, ...expected: DType[]): void {
  if (!expected.includes(node.dtype))
    throw new ShapeError(
      `${operator}: expected ${expected.join(' or ')}, got ${node.dtype} (${node.operator.name} ${describe(node)})`,
    );
}
