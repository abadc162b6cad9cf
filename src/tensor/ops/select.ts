import { ShapeError } from '../../error.ts';
import { Dim, type Size } from '../dim.ts';
import type { Lowering } from '../lowering.ts';
import { apply, expectType, type Operator } from '../operator.ts';
import { describe, type Literal, type Node, type Tensor } from '../tensor.ts';
import { blockRows } from './blocks.ts';
import { broadcast } from './shape.ts';

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
    const axis = node.attributes.axis as string;
    if (lowering.blocksOf(table)) return blockRows(node.inputs[0]!, ids, node.inputs[1]!, axis, lowering);
    const place = table.layout.indexOf(axis);
    const name = lowering.value('Gather', [table.name, ids.name], { axis: place });
    return { name, layout: [...table.layout.slice(0, place), ...ids.layout, ...table.layout.slice(place + 1)] };
  },
  gradient(upstream, [table, ids], result, { axis }) {
    const name = axis as string;
    const rows = broadcast(upstream, result.node.axes);
    return [apply(scatterAddOperator, [rows, ids!], { axis: name, size: table!.node.size(name) }), undefined];
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

const scatterAddOperator: Operator = {
  name: 'scatterAdd',
  infer([rows, ids], { axis, size }) {
    expectType('scatterAdd', rows!, 'float32', 'float64');
    expectType('scatterAdd', ids!, 'int64');
    for (const name of ids!.axes.keys()) rows!.size(name, 'scatterAdd');
    const rest = [...rows!.axes].filter(([name]) => !ids!.axes.has(name));
    return { axes: new Map([[axis as string, size as Dim], ...rest]), dtype: rows!.dtype };
  },
  lower(node, lowering) {
    const [rows, ids] = node.inputs as [Node, Node];
    const batch = [...ids.axes.keys()];
    const rest = [...rows.axes.keys()].filter((name) => !ids.axes.has(name));
    const count = batch.reduce((product, name) => product.times(ids.size(name)), Dim.of(1));
    const width = rest.reduce((product, name) => product.times(rows.size(name)), Dim.of(1));
    const flat = lowering.value('Reshape', [
      lowering.arrange(lowering.get(rows), [...batch, ...rest]),
      lowering.shape([count, width]),
    ]);
    const column = lowering.value('Reshape', [
      lowering.arrange(lowering.get(ids), batch),
      lowering.shape([count, Dim.of(1)]),
    ]);
    const index = lowering.value('Expand', [column, lowering.shape([count, width])]);
    const zero =
      rows.dtype === 'float64'
        ? lowering.constant('float64', [], new Float64Array(1))
        : lowering.constant('float32', [], new Float32Array(1));
    const total = node.attributes.size as Dim;
    const table = lowering.value('Expand', [zero, lowering.shape([total, width])]);
    // ScatterND with add races on the processor; ScatterElements does not.
    const sums = lowering.value('ScatterElements', [table, index, flat], { axis: 0, reduction: 'add' });
    const layout = [node.attributes.axis as string, ...rest];
    return {
      name: lowering.reshape(
        sums,
        [total, width],
        layout.map((name) => node.size(name)),
      ),
      layout,
    };
  },
  gradient: (upstream, [, ids], result, { axis }) => [
    gather(broadcast(upstream, result.node.axes), ids as Tensor<string>, axis as string),
    undefined,
  ],
};

/** A table with rows added up by their ids (int64), zero elsewhere: what `gather` is differentiated into. */
export function scatterAdd<A extends string, B extends A, const K extends string>(
  rows: Tensor<A>,
  ids: Tensor<B>,
  axis: Literal<K> & K,
  size: Size,
): Tensor<Exclude<A, B> | K> {
  return apply(scatterAddOperator, [rows, ids], { axis, size: Dim.of(size) });
}

/** Throws unless so many can be chosen. */
function expectCount(operator: string, x: Node, axis: string, count: number): void {
  expectType(operator, x, 'float32');
  const size = x.size(axis, operator).constant;
  if (!Number.isSafeInteger(count) || count < 1 || (size !== undefined && count > size))
    throw new ShapeError(`${operator}: cannot choose ${count} along axis ${axis} of ${describe(x)}`);
}

/** Places of the largest values, the largest first, in the layout of the value. */
function largest(node: Node, lowering: Lowering): string {
  const { name, layout } = lowering.get(node.inputs[0]!);
  const { axis, count } = node.attributes;
  const operands = [name, lowering.integers([count as number])];
  return lowering.emit('TopK', operands, { axis: layout.indexOf(axis as string), largest: 1 }, 2)[1]!;
}

const topIdsOperator: Operator = {
  name: 'topIds',
  infer([x], { axis, count, as }) {
    expectCount('topIds', x!, axis as string, count as number);
    const rest = [...x!.axes].filter(([name]) => name !== axis);
    if (rest.some(([name]) => name === as)) throw new ShapeError(`topIds: ${describe(x!)} has an axis ${as} already`);
    return { axes: new Map([...rest, [as as string, Dim.of(count as number)]]), dtype: 'int64' };
  },
  lower(node, lowering) {
    const { axis, as } = node.attributes;
    const { layout } = lowering.get(node.inputs[0]!);
    return { name: largest(node, lowering), layout: layout.map((name) => (name === axis ? (as as string) : name)) };
  },
  gradient: { none: 'a choice is piecewise constant' },
};

/** Places (int64, from 0) of the `count` largest values along an axis, the largest first, along a new axis `as`; ties are broken as by `topMask`. */
export function topIds<A extends string, const K extends A, const N extends string>(
  x: Tensor<A>,
  axis: K,
  count: number,
  as: Literal<N> & N,
): Tensor<Exclude<A, K> | N> {
  return apply(topIdsOperator, [x], { axis, count, as });
}

const topMaskOperator: Operator = {
  name: 'topMask',
  infer([x], { axis, count }) {
    expectCount('topMask', x!, axis as string, count as number);
    return { axes: x!.axes, dtype: 'bool' };
  },
  lower(node: Node, lowering) {
    const { layout } = lowering.get(node.inputs[0]!);
    const place = layout.indexOf(node.attributes.axis as string);
    const indices = largest(node, lowering);
    const size = node.size(node.attributes.axis as string);
    // One-hot rows of the chosen indices, joined: ties choose exactly `count` places, as the indices do.
    const depth = lowering.size(size);
    const values = lowering.constant('float32', [2], new Float32Array([0, 1]));
    const hot = lowering.value('OneHot', [indices, depth, values], { axis: -1 });
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
