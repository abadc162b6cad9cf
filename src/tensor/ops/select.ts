import { ShapeError } from '../../error.ts';
import { Dim, type Size } from '../dim.ts';
import { apply, expectType, type Operator } from '../operator.ts';
import { describe, type Node, type Tensor } from '../tensor.ts';

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
    const bounds = [lowering.size(from), lowering.size(to), lowering.integers([place])];
    const cut = lowering.value('Slice', [name, ...bounds]);
    const room = [from, node.inputs[0]!.size(axis as string).minus(to), to.minus(from)];
    const decided = room.every((size) => size.products.every(([coefficient]) => coefficient >= 0));
    if (decided) return { name: cut, layout };
    // The runtime would clip bounds that lie outside; this fails instead. 0 copies a size.
    const kept = (count: number) => (count === 0 ? [] : [lowering.integers(new Array<number>(count).fill(0))]);
    const shape = [...kept(place), lowering.size(to.minus(from)), ...kept(layout.length - place - 1)];
    return { name: lowering.value('Reshape', [cut, lowering.value('Concat', shape, { axis: 0 })]), layout };
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
    const { name, layout } = lowering.get(node.inputs[0]!);
    const place = layout.indexOf(node.attributes.axis as string);
    const index = node.attributes.index as number;
    const bounds = [[index], [index + 1], [place]].map((values) => lowering.integers(values));
    return {
      name: lowering.value('Slice', [name, ...bounds]),
      layout: layout.map((axis, i) => (i === place ? null : axis)),
    };
  },
};

/** One position of an axis, which disappears. */
export function pick<A extends string, const K extends A>(x: Tensor<A>, axis: K, index: number): Tensor<Exclude<A, K>> {
  return apply(pickOperator, [x], { axis, index });
}

const gatherOperator: Operator = {
  name: 'gather',
  infer([table, ids], { axis }) {
    expectType('gather', ids!, 'int64');
    table!.size(axis as string, 'gather');
    const rest = [...table!.axes].filter(([name]) => name !== axis);
    for (const [name] of rest)
      if (ids!.axes.has(name))
        throw new ShapeError(
          `gather: both the table ${describe(table!)} and the ids ${describe(ids!)} have axis ${name}`,
        );
    return { axes: new Map([...ids!.axes, ...rest]), dtype: table!.dtype };
  },
  lower(node, lowering) {
    const [table, ids] = node.inputs.map((input) => lowering.get(input)) as [
      { name: string; layout: string[] },
      { name: string; layout: string[] },
    ];
    const place = table.layout.indexOf(node.attributes.axis as string);
    const name = lowering.value('Gather', [table.name, ids.name], { axis: place });
    return { name, layout: [...table.layout.slice(0, place), ...ids.layout, ...table.layout.slice(place + 1)] };
  },
};

/** Rows of a table by their ids (int64, from 0): an embedding. Ids beyond the table fail; negative ones count from its end. */
export function gather<A extends string, B extends string, const K extends A>(
  table: Tensor<A>,
  ids: Tensor<B>,
  axis: K,
): Tensor<Exclude<A, K> | B> {
  return apply(gatherOperator, [table, ids], { axis });
}

const topMaskOperator: Operator = {
  name: 'topMask',
  infer([x], { axis, count }) {
    expectType('topMask', x!, 'float32');
    const size = x!.size(axis as string, 'topMask').constant;
    if (!Number.isSafeInteger(count) || (count as number) < 1 || (size !== undefined && (count as number) > size))
      throw new ShapeError(`topMask: cannot choose ${count} along axis ${axis} of ${describe(x!)}`);
    return { axes: x!.axes, dtype: 'bool' };
  },
  lower(node: Node, lowering) {
    const { name, layout } = lowering.get(node.inputs[0]!);
    const place = layout.indexOf(node.attributes.axis as string);
    const count = node.attributes.count as number;
    const [, indices] = lowering.emit('TopK', [name, lowering.integers([count])], { axis: place, largest: 1 }, 2);
    const size = node.size(node.attributes.axis as string);
    // One-hot rows of the chosen indices, joined: ties choose exactly `count` places, as the indices do.
    const depth = lowering.size(size);
    const values = lowering.constant('float32', [2], new Float32Array([0, 1]));
    const hot = lowering.value('OneHot', [indices!, depth, values], { axis: -1 });
    const any = lowering.value('ReduceMax', [hot, lowering.integers([place])], { keepdims: 0 });
    const moved = [...layout.slice(0, place), ...layout.slice(place + 1), layout[place]!];
    return { name: lowering.value('Cast', [any], { to: 9 }), layout: moved };
  },
  gradient: { none: 'a choice is piecewise constant' },
};

/** True at the `count` largest values along an axis; ties are broken by the runtime, never counted twice. */
export function topMask<A extends string, const K extends A>(x: Tensor<A>, axis: K, count: number): Tensor<A> {
  return apply(topMaskOperator, [x], { axis, count });
}
