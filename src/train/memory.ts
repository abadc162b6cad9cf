import type { HostTensor } from '../runtime/backend.ts';
import { ancestors } from '../tensor/schedule.ts';
import type { Node } from '../tensor/tensor.ts';
import type { Feeds } from './feeds.ts';

const bytesOf = { float32: 4, float64: 8, int64: 8, bool: 1 } as const;
/** The same numbers under another shape. */
const views = new Set(['mark', 'stopGradient', 'rename', 'split', 'merge']);
const sources = new Set(['input', 'weight', 'constant', 'extent']);

export function sizesOf(nodes: readonly Node[], feeds: Feeds): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const node of nodes) {
    if (node.operator.name !== 'input') continue;
    const fed: HostTensor | undefined = feeds[node.attributes.name as string];
    [...node.axes.values()].forEach((dim, i) => {
      const [name] = dim.names;
      if (fed && name !== undefined && dim.equals(name)) sizes[name] = fed.shape[i]!;
    });
  }
  return sizes;
}

export function peakOf(roots: readonly Node[], feeds: Feeds): number {
  const nodes = ancestors(roots);
  const sizes = sizesOf(nodes, feeds);
  const bytes = (node: Node) =>
    [...node.axes.values()].reduce((product, dim) => product * dim.evaluate(sizes), 1) * bytesOf[node.dtype];
  const own = new Map<Node, Node>();
  for (const node of nodes)
    own.set(node, views.has(node.operator.name) ? own.get(node.inputs[0]!)! : node);
  const left = new Map<Node, number>();
  for (const node of nodes)
    for (const input of new Set(node.inputs.map((i) => own.get(i)!)))
      if (own.get(node) === node) left.set(input, (left.get(input) ?? 0) + 1);
  for (const node of roots) left.set(own.get(node)!, Number.POSITIVE_INFINITY);
  let live = 0;
  let peak = 0;
  for (const node of nodes) {
    if (own.get(node) !== node || sources.has(node.operator.name)) continue;
    const inputs = [...new Set(node.inputs.map((i) => own.get(i)!))];
    const dying: Node[] = [];
    for (const input of inputs) {
      const n = left.get(input)! - 1;
      left.set(input, n);
      if (n === 0 && !sources.has(input.operator.name)) dying.push(input);
    }
    const size = bytes(node);
    const reused = node.operator.broadcasts ? dying.find((d) => bytes(d) === size) : undefined;
    if (!reused) live += size;
    if (live > peak) peak = live;
    for (const d of dying) if (d !== reused) live -= bytes(d);
  }
  return peak;
}
