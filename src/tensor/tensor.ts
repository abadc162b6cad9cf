import { ShapeError } from '../error.ts';
import { canonical } from './axes.ts';
import type { Dim } from './dim.ts';
import type { Operator } from './operator.ts';

declare const within: unique symbol;
declare const exact: unique symbol;

export type DType = 'float32' | 'float64' | 'int64' | 'bool';

/** What may be broadcast to the axes A: a mask, a table of cosines. It may lack some of them. */
export interface Within<out A extends string> {
  readonly node: Node;
  readonly [within]?: A;
}

/**
 * A symbolic tensor whose axes are exactly the set A. It holds no numbers: it is a place in a graph that is lowered to ONNX and run later.
 * Axes have names and no order; sizes are fixed or dynamic (`Dim`).
 */
export interface Tensor<in out A extends string> extends Within<A> {
  /** For the compiler alone, and required: an optional member would let a `Within` pass for a `Tensor`. */
  readonly [exact]: (axes: A) => A;
}

/** An axis name known while compiling: a `string` computed at run time is a type error. */
export type Literal<K extends string> = string extends K ? never : K;

export type AttributeValue =
  | string
  | number
  | boolean
  | readonly (string | number)[]
  | Dim
  | readonly Dim[]
  | Uint8Array;
export type Attributes = Readonly<Record<string, AttributeValue>>;

let serial = 0;

/** One operation of the graph, immutable. */
export class Node {
  /** Order of creation: earlier values run earlier where the graph leaves a choice. */
  readonly serial = serial++;

  constructor(
    readonly operator: Operator,
    readonly inputs: readonly Node[],
    readonly attributes: Attributes,
    readonly axes: ReadonlyMap<string, Dim>,
    readonly dtype: DType,
  ) {}

  get node(): Node {
    return this;
  }

  /** Size of one axis; throws a ShapeError that names who asked (an operator) and the axes there are. */
  size(axis: string, asking = this.operator.name): Dim {
    const dim = this.axes.get(axis);
    if (!dim) throw new ShapeError(`${asking}: no axis ${axis} in ${describe(this)} (${this.operator.name})`);
    return dim;
  }

  toString(): string {
    return `${this.operator.name} ${describe(this)} ${this.dtype}`;
  }
}

/** `[B, T, M = 576]`: axes in canonical order, with the size where it is not just the axis' own name. */
export function describe(node: Node): string {
  const parts = canonical(node.axes.keys()).map((axis) => {
    const size = String(node.size(axis));
    return size === axis ? axis : `${axis} = ${size}`;
  });
  return `[${parts.join(', ')}]`;
}

/** The axes of a tensor with their sizes. */
export function sizes(tensor: Within<string>): ReadonlyMap<string, Dim> {
  return tensor.node.axes;
}

/** The size of one axis. */
export function size<A extends string>(tensor: Tensor<A>, axis: A): Dim {
  return tensor.node.size(axis);
}
