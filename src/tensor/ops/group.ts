import { ShapeError } from '../../error.ts';
import { Dim } from '../dim.ts';
import type { Lowering } from '../lowering.ts';
import { apply, expectType, type Operator } from '../operator.ts';
import { describe, type Literal, type Node, type Tensor } from '../tensor.ts';

/** The other axis of ids [rows, choices]. */
function rowAxis(operator: string, ids: Node, axis: string): string {
  expectType(operator, ids, 'int64');
  ids.size(axis, operator);
  const rest = [...ids.axes.keys()].filter((name) => name !== axis);
  if (rest.length !== 1)
    throw new ShapeError(`${operator}: expected ids with one axis of rows beside ${axis}, got ${describe(ids)}`);
  return rest[0]!;
}

/** The choices of all rows one after the other, and their places in the order of the ids, then of the rows. */
function sorted(ids: Node, axis: string, lowering: Lowering): { flat: string; order: string; count: Dim } {
  const rows = rowAxis('groups', ids, axis);
  const count = ids.size(rows).times(ids.size(axis));
  const layout = [rows, axis];
  const sizes = layout.map((name) => ids.size(name));
  const flat = lowering.reshape(lowering.arrange(lowering.get(ids), layout), sizes, [count]);
  return { flat, order: ascending(flat, count, lowering), count };
}

/** Places of whole numbers in ascending order; equal ones stay in theirs. Of a permutation it is the inverse. */
function ascending(values: string, count: Dim, lowering: Lowering): string {
  return lowering.emit('TopK', [values, lowering.size(count)], { axis: 0, largest: 0, sorted: 1 }, 2)[1]!;
}

const groupRowsOperator: Operator = {
  name: 'groupRows',
  makesSize: true,
  infer([ids], { axis, groups, group, as }) {
    rowAxis('groupRows', ids!, axis as string);
    const [all, one] = [groups as number, group as number];
    if (!Number.isSafeInteger(all) || !Number.isSafeInteger(one) || one < 0 || one >= all)
      throw new ShapeError(`groupRows: expected a group from 0 to below the number of groups, got ${one} of ${all}`);
    // How many rows there are is known when it runs: a dimension of its own, the same for the same group of the same ids.
    return { axes: new Map([[as as string, Dim.of(`group_${ids!.serial}_${one}`)]]), dtype: 'int64' };
  },
  lower(node, lowering) {
    const ids = node.inputs[0]!;
    const { axis, groups, group, as } = node.attributes;
    const { flat, order, count } = sorted(ids, axis as string, lowering);
    const rows = lowering.value('Div', [order, lowering.size(ids.size(axis as string))]);
    const [zero, one] = [0n, 1n].map((n) => lowering.constant('int64', [], new BigInt64Array([n]))) as [string, string];
    const none = lowering.value('Expand', [zero, lowering.integers([groups as number])]);
    const ones = lowering.value('Expand', [one, lowering.size(count)]);
    const counts = lowering.value('ScatterElements', [none, flat, ones], { axis: 0, reduction: 'add' });
    const name = lowering.emit('Split', [rows, counts], { axis: 0 }, groups as number)[group as number]!;
    lowering.measured(node.size(as as string), () => lowering.value('Shape', [name]));
    return { name, layout: [as as string] };
  },
  gradient: { none: 'a choice is piecewise constant' },
};

/**
 * The rows that chose one of `groups` groups: of ids (int64, 0 to groups − 1) with an axis of rows and the axis of each row's choices, the
 * rows in which the id `group` occurs, ascending. Their number is known only when it runs, perhaps 0; it is the size of the new axis `as`.
 */
export function groupRows<A extends string, const K extends A, const N extends string>(
  ids: Tensor<A>,
  axis: K,
  { groups, group }: { readonly groups: number; readonly group: number },
  as: Literal<N> & N,
): Tensor<N> {
  return apply(groupRowsOperator, [ids], { axis, groups, group, as });
}

const groupPlacesOperator: Operator = {
  name: 'groupPlaces',
  infer([ids], { axis }) {
    rowAxis('groupPlaces', ids!, axis as string);
    return { axes: ids!.axes, dtype: 'int64' };
  },
  lower(node, lowering) {
    const ids = node.inputs[0]!;
    const axis = node.attributes.axis as string;
    const { order, count } = sorted(ids, axis, lowering);
    const layout = [rowAxis('groupPlaces', ids, axis), axis];
    const places = ascending(order, count, lowering);
    const sizes = layout.map((name) => ids.size(name));
    return { name: lowering.reshape(places, [count], sizes), layout };
  },
  gradient: { none: 'a choice is piecewise constant' },
};

/** Where each choice of each row lies when what `groupRows` gives of all groups stands one after the other: the way back to the rows. */
export function groupPlaces<A extends string, const K extends A>(ids: Tensor<A>, axis: K): Tensor<A> {
  return apply(groupPlacesOperator, [ids], { axis });
}
