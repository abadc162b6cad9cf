import type { Tensor } from '../tensor/index.ts';
import { productsOf } from '../tensor/ops/blocks.ts';
import { ancestors, usersOf } from '../tensor/schedule.ts';
import type { Node } from '../tensor/tensor.ts';

/** A weight that is only multiplied along its last axes, or whose rows are looked up: a matrix that may be kept in blocks. */
export interface MatrixWeight {
  readonly rows: number;
  readonly columns: number;
}

export interface Matrices {
  /** By name; a weight that is used in any other way as well is none. */
  readonly matrices: ReadonlyMap<string, MatrixWeight>;
  /** Names of matrices that one value is multiplied with, in the order of the products. */
  readonly groups: readonly (readonly string[])[];
}

/** The matrices among the weights below some values. */
export function matrixWeights(roots: readonly Tensor<never>[]): Matrices {
  const seen = new Set<Node>(roots.map(({ node }) => node));
  const columns = new Map<string, number>();
  const sizes = new Map<string, number>();
  const excluded = new Set<string>();
  for (const node of seen)
    for (const [place, input] of node.inputs.entries()) {
      seen.add(input);
      if (input.operator.name !== 'weight') continue;
      const name = input.attributes.name as string;
      const axes = [...input.axes].map(([axis, size]) => [axis, size.evaluate({})] as const);
      sizes.set(
        name,
        axes.reduce((product, [, size]) => product * size, 1),
      );
      const inner = innerSize(node, place, axes);
      if (inner === undefined || (columns.has(name) && columns.get(name) !== inner)) excluded.add(name);
      else columns.set(name, inner);
    }
  const matrices = new Map(
    [...columns]
      .filter(([name]) => !excluded.has(name))
      .map(([name, inner]) => [name, { rows: sizes.get(name)! / inner, columns: inner }]),
  );
  return { matrices, groups: groupsOf(roots, matrices) };
}

/** Each weight in one group at most. */
function groupsOf(roots: readonly Tensor<never>[], matrices: ReadonlyMap<string, MatrixWeight>): string[][] {
  const groups: string[][] = [];
  const taken = new Set<string>();
  for (const [x, users] of usersOf(ancestors(roots.map(({ node }) => node)))) {
    const first = users.find(({ operator }) => operator.name === 'dot');
    if (!first) continue;
    const names = productsOf(x, first.attributes.over as string[], users).map(
      ({ attributes }) => attributes.name as string,
    );
    if (names.length < 2 || names.some((name) => taken.has(name) || !matrices.has(name))) continue;
    groups.push(names);
    for (const name of names) taken.add(name);
  }
  return groups;
}

/** Size of a row, as this use of a weight sees it. */
function innerSize(user: Node, place: number, axes: readonly (readonly [string, number])[]): number | undefined {
  const { operator, attributes, inputs } = user;
  if (operator.name === 'gather' && place === 0 && axes[0]![0] === attributes.axis)
    return axes.slice(1).reduce((product, [, size]) => product * size, 1);
  if (operator.name !== 'dot') return undefined;
  const over = attributes.over as readonly string[];
  const first = axes.findIndex(([axis]) => over.includes(axis));
  const other = inputs[1 - place]!;
  const matrix = first > 0 && axes.every(([axis], i) => i >= first === over.includes(axis));
  if (!matrix || axes.slice(0, first).some(([axis]) => other.axes.has(axis))) return undefined;
  return axes.slice(first).reduce((product, [, size]) => product * size, 1);
}
