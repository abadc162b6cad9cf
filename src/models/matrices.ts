import type { Tensor } from '../tensor/index.ts';
import { productsOf } from '../tensor/ops/blocks.ts';
import { ancestors, usersOf } from '../tensor/schedule.ts';
import type { Node } from '../tensor/tensor.ts';

/** Weights that are only multiplied along their last axes, or whose rows are looked up: they may be kept in blocks. */
export interface Matrices {
  /** Length of a row, by name; a weight that is used in any other way as well is none. */
  readonly columns: ReadonlyMap<string, number>;
  /** Names of matrices that one value is multiplied with, in the order of the products. */
  readonly groups: readonly (readonly string[])[];
}

/** The matrices among the weights below some values. */
export function matrixWeights(roots: readonly Tensor<never>[]): Matrices {
  const users = usersOf(ancestors(roots.map(({ node }) => node)));
  const columns = new Map<string, number>();
  const excluded = new Set<string>();
  for (const [weight, uses] of users) {
    if (weight.operator.name !== 'weight') continue;
    const name = weight.attributes.name as string;
    for (const user of uses)
      for (const [place, input] of user.inputs.entries()) {
        if (input !== weight) continue;
        const inner = innerSize(user, place, weight);
        if (inner === undefined || (columns.get(name) ?? inner) !== inner) excluded.add(name);
        else columns.set(name, inner);
      }
  }
  for (const name of excluded) columns.delete(name);
  return { columns, groups: groupsOf(users, columns) };
}

/** Each weight in one group at most. */
function groupsOf(users: ReadonlyMap<Node, readonly Node[]>, columns: ReadonlyMap<string, number>): string[][] {
  const groups: string[][] = [];
  const taken = new Set<string>();
  for (const [x, uses] of users) {
    const first = uses.find(({ operator }) => operator.name === 'dot');
    if (!first) continue;
    const weights = productsOf(x, first.attributes.over as string[], uses);
    const names = weights.map(({ attributes }) => attributes.name as string);
    if (names.length < 2 || names.some((name) => taken.has(name) || !columns.has(name))) continue;
    groups.push(names);
    for (const name of names) taken.add(name);
  }
  return groups;
}

/** Size of a row, as this use of a weight sees it. */
function innerSize({ operator, attributes, inputs }: Node, place: number, weight: Node): number | undefined {
  const axes = [...weight.axes].map(([axis, size]) => [axis, size.evaluate({})] as const);
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
