import { ShapeError } from '../error.ts';
import { canonical } from './axes.ts';
import type { Dim } from './dim.ts';
import { type FedWeight, Lowering, type LoweringOptions } from './lowering.ts';
import { encodeOnnx, type OnnxValue } from './onnx.ts';
import { ancestors, schedule } from './schedule.ts';
import { type DType, describe, type Within } from './tensor.ts';

/** A value to fetch, with the physical order in which it leaves the program. */
export interface Output {
  readonly value: Within<string>;
  /** Axes, slowest first. Default: canonical order. */
  readonly order?: readonly string[];
}

export interface GraphInput {
  readonly name: string;
  readonly type: DType;
  /** Axes with their sizes, slowest first. */
  readonly axes: ReadonlyMap<string, Dim>;
}

/** A lowered program: the bytes of an ONNX model and what goes in and out. */
export interface Graph {
  readonly bytes: Uint8Array;
  readonly inputs: readonly GraphInput[];
  /** Weights that are fed, in order. Empty when weights are initialisers. */
  readonly weights: readonly FedWeight[];
  readonly outputs: readonly string[];
}

/** Name of the leaf behind a value. */
const leafOf = (name: string) => `%size ${name}`;

/**
 * Lowers named outputs to one ONNX model. The same values give the same bytes.
 *
 * Memory: the runtime walks back from the graph's leaves, the leaf with the highest index first. So a `Size` node, itself an output,
 * stands behind every output and every measurement (see `schedule`), and these are written last, in reverse order of when they should run:
 * what is made first is reduced and released first, instead of every layer's pattern staying alive until the end.
 */
export function lower(outputs: Readonly<Record<string, Output>>, options: LoweringOptions): Graph {
  const entries = Object.entries(outputs).sort(([, a], [, b]) => a.value.node.serial - b.value.node.serial);
  if (entries.length === 0) throw new ShapeError('lower: expected at least one output');
  const roots = entries.map(([, { value }]) => value.node);
  const nodes = ancestors(roots);
  const lowering = new Lowering(options, nodes, roots);
  const fed = nodes.filter((node) => node.operator.name === 'input');
  // All inputs first: sizes are read from them, wherever they are needed.
  for (const node of fed) lowering.lower(node);
  const declared: OnnxValue[] = [];
  const moments = schedule(roots);
  const leaves = new Map<string, { after: number; serial: number }>();
  for (const [name, { value, order }] of entries) {
    if (name === '' || name.startsWith('%') || fed.some((node) => node.attributes.name === name))
      throw new ShapeError(
        `lower: an output cannot be called "${name}": expected a name that is no input's and does not start with %`,
      );
    const layout = order ?? canonical(value.node.axes.keys());
    if (
      layout.length !== value.node.axes.size ||
      new Set(layout).size < layout.length ||
      layout.some((axis) => !value.node.axes.has(axis))
    )
      throw new ShapeError(
        `lower: output ${name} is ${describe(value.node)}, the order asked for is [${layout.join(', ')}]`,
      );
    const arranged = lowering.arrange(lowering.lower(value.node), layout);
    lowering.nodes.push({ type: 'Identity', domain: '', inputs: [arranged], outputs: [name], attributes: {} });
    const shape = layout.map((axis) => value.node.size(axis).constant ?? String(value.node.size(axis)));
    declared.push({ name, type: value.node.dtype, shape });
    leaves.set(name, { after: moments.get(value.node)!, serial: value.node.serial });
  }
  for (const [node, after] of moments)
    if (!roots.includes(node)) leaves.set(lowering.get(node).name, { after, serial: node.serial });
  const names = [...leaves.keys()].sort((a, b) => {
    const [x, y] = [leaves.get(a)!, leaves.get(b)!];
    return x.after - y.after || x.serial - y.serial;
  });
  for (const name of [...names].reverse())
    lowering.nodes.push({ type: 'Size', domain: '', inputs: [name], outputs: [leafOf(name)], attributes: {} });
  return {
    bytes: encodeOnnx({
      nodes: lowering.nodes,
      initializers: lowering.initializers,
      inputs: lowering.inputs,
      outputs: [...declared, ...names.map((name): OnnxValue => ({ name: leafOf(name), type: 'int64', shape: [] }))],
    }),
    inputs: [...new Map(fed.map((node) => [node.attributes.name as string, node]))].map(([name, { dtype, axes }]) => ({
      name,
      type: dtype,
      axes,
    })),
    weights: lowering.fedWeights,
    outputs: Object.keys(outputs),
  };
}
