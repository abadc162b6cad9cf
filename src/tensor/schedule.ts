import type { Node } from './tensor.ts';

/** Roughly how many elements, with every dynamic dimension long: enough to tell a pattern from its column means. */
const elements = (node: Node) =>
  [...node.axes.values()].reduce(
    (product, size) => product * size.evaluate(Object.fromEntries(size.names.map((name) => [name, 1024]))),
    1,
  );

const isProduct = (node: Node) => node.operator.name === 'dot' || node.operator.name === 'fusedAttention';

/** Everything that the given nodes need, oldest first. */
export function ancestors(roots: readonly Node[]): Node[] {
  const seen = new Set(roots);
  for (const node of seen) for (const input of node.inputs) seen.add(input);
  return [...seen].sort((a, b) => a.serial - b.serial);
}

/** What each node is an input of, oldest first. */
export function usersOf(nodes: readonly Node[]): Map<Node, Node[]> {
  const users = new Map<Node, Node[]>();
  for (const node of nodes)
    for (const input of new Set(node.inputs)) users.set(input, [...(users.get(input) ?? []), node]);
  return users;
}

/**
 * When each value should run, so that large ones are released early: [node, after], to be run in ascending order of `after`, then of age.
 *
 * The trunk is what some later product needs (a layer's pattern, the residual); the rest only measures it. A measurement that makes much
 * little (column means, one picked key) runs as soon as the trunk has what it needs, however late it was asked for and whatever joins it
 * later. So does the product that uses up a trunk value beside it (pattern · values), so that queries in chunks hold one chunk at a time.
 */
export function schedule(roots: readonly Node[]): Map<Node, number> {
  const nodes = ancestors(roots);
  const trunk = new Set(ancestors(nodes.filter(isProduct).flatMap((node) => node.inputs)));
  const after = new Map<Node, number>();
  for (const node of nodes)
    after.set(node, trunk.has(node) ? node.serial : Math.max(-1, ...node.inputs.map((input) => after.get(input)!)));
  const shrinks = (node: Node, input: Node) => elements(node) * 2 <= elements(input);
  const measures = nodes.filter((node) => !trunk.has(node) && node.inputs.some((input) => shrinks(node, input)));
  const measured = new Set(measures.map((node) => after.get(node)!));
  const result = new Map(measures.map((node) => [node, after.get(node)!]));
  for (const node of nodes)
    if (trunk.has(node) && isProduct(node))
      for (const input of node.inputs)
        if (measured.has(input.serial) && shrinks(node, input)) result.set(node, input.serial);
  for (const node of roots) result.set(node, after.get(node)!);
  return result;
}
