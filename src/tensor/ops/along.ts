import { ShapeError } from '../../error.ts';
import { Dim, type Size } from '../dim.ts';
import { apply, expectType, type Operator } from '../operator.ts';
import { describe, type Node, type Tensor } from '../tensor.ts';
import { along } from './shape.ts';

const sliceOperator: Operator = {
  name: 'slice',
  infer([x], { axis, start, end }) {
    const size = x!.size(axis as string, 'slice');
    const [from, to] = [start as Dim, end as Dim];
    const length = to.minus(from);
    const bad = (a: Dim) => a.constant !== undefined && a.constant < 0;
    if (bad(from) || bad(length) || bad(size.minus(to)))
      throw new ShapeError(`slice: [${from}, ${to}) is outside axis ${axis} of ${describe(x!)}`);
    return { axes: new Map([...x!.axes].map(([name, dim]) => [name, name === axis ? length : dim])), dtype: x!.dtype };
  },
  lower(node, lowering) {
    const { name, layout } = lowering.get(node.inputs[0]!);
    const { axis, start, end } = node.attributes;
    const place = layout.indexOf(axis as string);
    const [from, to] = [start as Dim, end as Dim];
    const room = [from, node.inputs[0]!.size(axis as string).minus(to), to.minus(from)];
    if (room.every((size) => size.products.every(([coefficient]) => coefficient >= 0))) {
      const bounds = [lowering.size(from), lowering.size(to), lowering.integers([place])];
      return { name: lowering.value('Slice', [name, ...bounds]), layout };
    }
    // Bounds that only the run decides: a slice would clip those that lie outside, a gather refuses them once negative ones count as none.
    const scalar = (size: Dim) => lowering.value('Squeeze', [lowering.size(size)]);
    const [zero, one, none] = [0n, 1n, 2n ** 62n].map((n) => lowering.constant('int64', [], new BigInt64Array([n])));
    const places = lowering.value('Range', [scalar(from), scalar(to), one!]);
    const counted = lowering.value('Where', [lowering.value('Less', [places, zero!]), none!, places]);
    return { name: lowering.value('Gather', [name, counted], { axis: place }), layout };
  },
  gradient(upstream, [x], result, { axis, start, end }) {
    const name = axis as string;
    const whole = along(upstream, name, result.node.size(name));
    return [pad(whole, name, start as Dim, x!.node.size(name).minus(end as Dim))];
  },
};

/** Positions start ≤ i < end of one axis. */
export function slice<A extends string, const K extends A>(x: Tensor<A>, axis: K, start: Size, end: Size): Tensor<A> {
  return apply(sliceOperator, [x], { axis, start: Dim.of(start), end: Dim.of(end) });
}

const pickOperator: Operator = {
  name: 'pick',
  infer([x], { axis, index }) {
    const size = x!.size(axis as string, 'pick').constant;
    if (!Number.isSafeInteger(index) || (index as number) < 0 || (size !== undefined && (index as number) >= size))
      throw new ShapeError(`pick: index ${index} is outside axis ${axis} of ${describe(x!)}`);
    return { axes: new Map([...x!.axes].filter(([name]) => name !== axis)), dtype: x!.dtype };
  },
  lower(node, lowering) {
    const index = node.attributes.index as number;
    const part = lowering.weightPart(node.inputs[0]!, node.attributes.axis as string, index);
    if (part) return part;
    const { name, layout } = lowering.get(node.inputs[0]!);
    const place = layout.indexOf(node.attributes.axis as string);
    const bounds = [[index], [index + 1], [place]].map((values) => lowering.integers(values));
    return {
      name: lowering.value('Slice', [name, ...bounds]),
      layout: layout.map((axis, i) => (i === place ? null : axis)),
    };
  },
  gradient(upstream, [x], _, { axis, index }) {
    const name = axis as string;
    const at = index as number;
    return [pad(along(upstream, name, Dim.of(1)), name, at, x!.node.size(name).minus(at + 1))];
  },
};

/** One position of an axis, which disappears. */
export function pick<A extends string, const K extends A>(x: Tensor<A>, axis: K, index: number): Tensor<Exclude<A, K>> {
  return apply(pickOperator, [x], { axis, index });
}

const padOperator: Operator = {
  name: 'pad',
  infer([x], { axis, before, after }) {
    expectType('pad', x!, 'float32', 'float64', 'int64');
    const size = x!
      .size(axis as string, 'pad')
      .plus(before as Dim)
      .plus(after as Dim);
    return { axes: new Map([...x!.axes].map(([name, dim]) => [name, name === axis ? size : dim])), dtype: x!.dtype };
  },
  lower(node, lowering) {
    const { name, layout } = lowering.get(node.inputs[0]!);
    const { axis, before, after } = node.attributes;
    const place = layout.indexOf(axis as string);
    const none = (count: number) => (count > 0 ? [lowering.integers(new Array<number>(count).fill(0))] : []);
    const rest = layout.length - place - 1;
    // Amounts for every axis: with the operator's `axes` the runtime loses track of them when it moves a transpose past it.
    const [front, back] = [lowering.size(before as Dim), lowering.size(after as Dim)];
    const amounts = [...none(place), front, ...none(rest + place), back, ...none(rest)];
    return { name: lowering.value('Pad', [name, lowering.value('Concat', amounts, { axis: 0 })]), layout };
  },
  gradient: (upstream, [x], _, { axis, before }) => [
    upstream.node.axes.has(axis as string)
      ? slice(upstream, axis as string, before as Dim, x!.node.size(axis as string).plus(before as Dim))
      : upstream,
  ],
};

/** Zeros before and after the positions of one axis. */
export function pad<A extends string, const K extends A>(x: Tensor<A>, axis: K, before: Size, after: Size): Tensor<A> {
  return apply(padOperator, [x], { axis, before: Dim.of(before), after: Dim.of(after) });
}

const concatOperator: Operator = {
  name: 'concat',
  infer(inputs, { axis }) {
    const [first] = inputs as [Node];
    let total = Dim.of(0);
    for (const input of inputs) {
      total = total.plus(input.size(axis as string, 'concat'));
      const fits =
        input.axes.size === first.axes.size &&
        [...input.axes].every(([name, size]) => name === axis || first.axes.get(name)?.equals(size));
      if (!fits || input.dtype !== first.dtype)
        throw new ShapeError(
          `concat over ${axis}: operands must agree in all other axes, got ${inputs.map((x) => `${describe(x)} ${x.dtype}`).join(' and ')}`,
        );
    }
    return {
      axes: new Map([...first.axes].map(([name, size]) => [name, name === axis ? total : size])),
      dtype: first.dtype,
    };
  },
  lower(node, lowering) {
    const layout = lowering.get(node.inputs[0]!).layout.filter((axis) => axis !== null);
    const names = node.inputs.map((input) => lowering.arrange(lowering.get(input), layout));
    return { name: lowering.value('Concat', names, { axis: layout.indexOf(node.attributes.axis as string) }), layout };
  },
  gradient(upstream, inputs, _, { axis }) {
    const name = axis as string;
    if (!upstream.node.axes.has(name)) return inputs.map(() => upstream);
    let start = Dim.of(0);
    return inputs.map((input) => {
      const end = start.plus(input.node.size(name));
      const part = slice(upstream, name, start, end);
      start = end;
      return part;
    });
  },
};

/** Tensors of equal axes one after the other along one axis. */
export function concat<A extends string, const K extends A>(parts: readonly Tensor<A>[], axis: K): Tensor<A> {
  if (parts.length === 0) throw new ShapeError(`concat over ${axis}: expected at least one tensor`);
  return parts.length === 1 ? parts[0]! : apply(concatOperator, parts, { axis });
}
