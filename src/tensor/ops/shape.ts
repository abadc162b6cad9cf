import { ShapeError } from '../../error.ts';
import { Dim } from '../dim.ts';
import { apply, type Operator } from '../operator.ts';
import { describe, type Literal, type Node, type Tensor } from '../tensor.ts';
import { type Axes, attributesOf } from './stored-axes.ts';

const absent = (operator: string, node: Node, axis: string) => {
  if (node.axes.has(axis)) throw new ShapeError(`${operator}: ${describe(node)} has an axis ${axis} already`);
};

const renameOperator: Operator = {
  name: 'rename',
  infer([x], { from, to }) {
    x!.size(from as string, 'rename');
    if (from !== to) absent('rename', x!, to as string);
    const axes = [...x!.axes].map(([axis, size]) => [axis === from ? (to as string) : axis, size] as const);
    return { axes: new Map(axes), dtype: x!.dtype };
  },
  lower(node, lowering) {
    const { name, layout } = lowering.get(node.inputs[0]!);
    const { from, to } = node.attributes;
    return { name, layout: layout.map((axis) => (axis === from ? (to as string) : axis)) };
  },
  gradient: (upstream, _, __, { from, to }) => [
    upstream.node.axes.has(to as string) ? apply(renameOperator, [upstream], { from: to!, to: from! }) : upstream,
  ],
};

/** The same values with one axis under another name. */
export function rename<A extends string, const F extends A, const N extends string>(
  x: Tensor<A>,
  from: F,
  to: Literal<N> & N,
): Tensor<Exclude<A, F> | N> {
  return apply(renameOperator, [x], { from, to });
}

const splitOperator: Operator = {
  name: 'split',
  infer([x], { axis, into, sizes }) {
    const whole = x!.size(axis as string, 'split');
    const parts = (into as string[]).map((name, i) => [name, (sizes as Dim[])[i]!] as const);
    const product = parts.reduce((size, [, part]) => size.times(part), Dim.of(1));
    if (!product.equals(whole))
      throw new ShapeError(
        `split: axis ${axis} has size ${whole}, the parts {${parts.map(([n, d]) => `${n}: ${d}`).join(', ')}} make ${product}`,
      );
    const rest = [...x!.axes].filter(([name]) => name !== axis);
    for (const [name] of parts)
      if (rest.some(([other]) => other === name))
        throw new ShapeError(`split: ${describe(x!)} has an axis ${name} already`);
    return { axes: new Map([...rest, ...parts]), dtype: x!.dtype };
  },
  lower(node, lowering) {
    const x = node.inputs[0]!;
    const place = lowering.get(x);
    const layout = place.layout.flatMap((axis) =>
      axis === node.attributes.axis ? (node.attributes.into as string[]) : [axis],
    );
    const size = (from: Node) => (axis: string | null) => (axis === null ? Dim.of(1) : from.size(axis));
    return { name: lowering.reshape(place.name, place.layout.map(size(x)), layout.map(size(node))), layout };
  },
  gradient(upstream, _, result, { axis, into }) {
    const axes = into as string[];
    const whole = axes.reduce((g, name) => along(g, name, result.node.size(name)), upstream);
    return [apply(mergeOperator, [whole], { axes, into: axis! })];
  },
};

/** One axis as several, the slowest first: `split(x, 'D', { J: 2, I: 32 })` takes half-split rotary pairs apart, `{ I: 32, J: 2 }` interleaved ones. */
export function split<A extends string, const K extends A, const N extends string>(
  x: Tensor<A>,
  axis: K,
  into: Axes<N>,
): Tensor<Exclude<A, K> | N> {
  const { axes, sizes } = attributesOf('split', into);
  return apply(splitOperator, [x], { axis, into: axes, sizes });
}

const mergeOperator: Operator = {
  name: 'merge',
  infer([x], { axes, into }) {
    if ((axes as string[]).length === 0 || new Set(axes as string[]).size < (axes as string[]).length)
      throw new ShapeError(`merge: expected one or more different axes of ${describe(x!)}, got [${axes}]`);
    const merged = (axes as string[]).reduce((size, axis) => size.times(x!.size(axis, 'merge')), Dim.of(1));
    const rest = [...x!.axes].filter(([axis]) => !(axes as string[]).includes(axis));
    if (rest.some(([axis]) => axis === into)) absent('merge', x!, into as string);
    return { axes: new Map([...rest, [into as string, merged]]), dtype: x!.dtype };
  },
  lower(node, lowering) {
    const x = node.inputs[0]!;
    const axes = node.attributes.axes as string[];
    const place = lowering.get(x);
    const from = place.layout.filter((axis) => axis !== null);
    // The merged axis takes the place of its slowest part; the other axes stay in order.
    const order = from.flatMap((axis) => (axis === axes[0] ? axes : axes.includes(axis) ? [] : [axis]));
    const layout = order
      .filter((axis) => axis === axes[0] || !axes.includes(axis))
      .map((axis) => (axis === axes[0] ? (node.attributes.into as string) : axis));
    const name = lowering.reshape(
      lowering.arrange(place, order),
      order.map((axis) => x.size(axis)),
      layout.map((axis) => node.size(axis)),
    );
    return { name, layout };
  },
  gradient(upstream, [x], result, { axes, into }) {
    const name = into as string;
    const sizes = (axes as string[]).map((axis) => x!.node.size(axis));
    return [apply(splitOperator, [along(upstream, name, result.node.size(name))], { axis: name, into: axes!, sizes })];
  },
};

/** Several axes as one, the slowest first: `merge(x, ['G', 'R'], 'H')`. */
export function merge<A extends string, const K extends A, const N extends string>(
  x: Tensor<A>,
  axes: readonly K[],
  into: Literal<N> & N,
): Tensor<Exclude<A, K> | N> {
  return apply(mergeOperator, [x], { axes: [...axes], into });
}

const expandOperator: Operator = {
  name: 'expand',
  broadcasts: true,
  gradient: (upstream) => [upstream],
  infer([x], { axes, sizes }) {
    for (const axis of axes as string[]) absent('expand', x!, axis);
    const added = (axes as string[]).map((axis, i) => [axis, (sizes as Dim[])[i]!] as const);
    return { axes: new Map([...added, ...x!.axes]), dtype: x!.dtype };
  },
  lower(node, lowering) {
    const place = lowering.get(node.inputs[0]!);
    const added = node.attributes.axes as string[];
    if (added.every((axis) => node.size(axis).constant === 1))
      return {
        name: lowering.value('Unsqueeze', [place.name, lowering.integers(added.map((_, i) => i))]),
        layout: [...added, ...place.layout],
      };
    // Sizes of one keep what the value has.
    const shape = [...added.map((axis) => node.size(axis)), ...place.layout.map(() => Dim.of(1))];
    return { name: lowering.value('Expand', [place.name, lowering.shape(shape)]), layout: [...added, ...place.layout] };
  },
};

/** The same values repeated along new axes. Rarely needed: operators broadcast by name. */
export function expand<A extends string, const N extends string>(x: Tensor<A>, axes: Axes<N>): Tensor<A | N> {
  return apply(expandOperator, [x], attributesOf('expand', axes));
}

/** The tensor with this axis: repeated along it where it lacks it. For gradients, which leave out axes along which they are constant. */
export function along(x: Tensor<string>, axis: string, size: Dim): Tensor<string> {
  return x.node.axes.has(axis) ? x : apply(expandOperator, [x], { axes: [axis], sizes: [size] });
}

/** The tensor with all of these axes. */
export function broadcast(x: Tensor<string>, axes: ReadonlyMap<string, Dim>): Tensor<string> {
  const missing = [...axes].filter(([axis]) => !x.node.axes.has(axis));
  if (missing.length === 0) return x;
  return apply(expandOperator, [x], { axes: missing.map(([axis]) => axis), sizes: missing.map(([, size]) => size) });
}
