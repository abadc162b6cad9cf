import { InputError } from '../error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Within } from '../tensor/index.ts';
import { ancestors } from '../tensor/schedule.ts';
import type { Node } from '../tensor/tensor.ts';
import { slotsOf } from './optimizer.ts';
import { elementsOf } from './state.ts';
import type { StepPlan } from './step-plan.ts';

/** Bytes that training takes at its peak, estimated before anything is compiled. Measured peaks of small Llamas were 0.9 to 1.1 times it. */
export interface TrainMemory {
  /** All parameters, float32. */
  readonly parameters: number;
  /** What the optimiser keeps beside them. */
  readonly slots: number;
  /** Values that live at once inside the programs: activations, gradients, and the new parameters and slots. */
  readonly activations: number;
  /** The whole process: the state twice (before a step, and of the step before that, until it is collected), activations, the runtime. */
  readonly total: number;
}

/** Shapes of what is fed, by input name. */
export type FeedShapes = Readonly<Record<string, readonly number[]>>;

/** Node and the runtime with its compiled programs. */
const base = 120e6;
/** What the runtime holds over what lives in it: gaps between values of different sizes, operands turned before a product. */
const overhead = 1.25;

/**
 * Estimates the memory of a step and of further values, each a program of its own that keeps its memory between runs.
 * @param shapes of what is fed beside the parameters, by input name.
 * @param beside values of further programs.
 */
export function trainMemory(
  plan: StepPlan,
  shapes: FeedShapes,
  beside: readonly Readonly<Record<string, Within<string>>>[] = [],
): TrainMemory {
  const programs = [plan.update, ...(plan.gather ? [plan.gather] : [])].map((outputs) =>
    Object.values(outputs).map(({ value }) => value.node),
  );
  for (const values of beside) programs.push(Object.values(values).map(({ node }) => node));
  const parameters = 4 * sum(plan.parameters.map(({ shape }) => elementsOf(shape)));
  const slots = 4 * sum(plan.trained.map((one) => slotsOf(plan.optimizer, one).length * elementsOf(one.shape)));
  const activations = overhead * sum(programs.map((roots) => liveBytes(roots, shapes)));
  return { parameters, slots, activations, total: base + activations + 2 * (parameters + slots) };
}

/** Throws an InputError with both figures for what the runtime's machine, or the page, cannot hold. */
export function refuseBeyond({ total }: TrainMemory, { backend }: Runtime, where: string): void {
  const { memory } = backend;
  if (memory !== undefined && total > memory)
    throw new InputError(
      `${where}: a step takes about ${gigabytes(total)} of memory, there are ${gigabytes(memory)}; ` +
        'use smaller batches (with accumulate for the same update), shorter sequences or a smaller model',
    );
}

const gigabytes = (bytes: number) => `${Number((bytes / 1e9).toPrecision(3))} GB`;
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

const bytesOf = { float32: 4, float64: 8, int64: 8, bool: 1 } as const;
/** Operators whose result is their operand under other names or another shape. */
const views = new Set(['mark', 'stopGradient', 'rename', 'split', 'merge']);
/** Values that lie outside a program, or have no size. */
const outside = new Set(['input', 'weight', 'constant', 'extent']);

/** Most bytes alive at once when values are made in order of age and each is dropped after its last use. */
function liveBytes(roots: readonly Node[], shapes: FeedShapes): number {
  const sizes = dimensions(roots, shapes);
  const nodes = ancestors(roots);
  const holder = new Map<Node, Node>();
  for (const node of nodes) holder.set(node, views.has(node.operator.name) ? holder.get(node.inputs[0]!)! : node);
  const made = nodes.filter((node) => holder.get(node) === node && !outside.has(node.operator.name));
  const read = (node: Node) => new Set(node.inputs.map((input) => holder.get(input)!));
  const lastUse = new Map<Node, Node>();
  for (const node of made) for (const input of read(node)) lastUse.set(input, node);
  for (const root of roots) lastUse.delete(holder.get(root)!);
  const bytes = (node: Node) =>
    bytesOf[node.dtype] * [...node.axes.values()].reduce((product, dim) => product * dim.evaluate(sizes), 1);
  let live = 0;
  let most = 0;
  for (const node of made) {
    live += bytes(node);
    most = Math.max(most, live);
    for (const input of read(node))
      if (lastUse.get(input) === node && !outside.has(input.operator.name)) live -= bytes(input);
  }
  return most;
}

/** Sizes of the named dimensions, from what is fed. */
function dimensions(roots: readonly Node[], shapes: FeedShapes): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const { operator, attributes, axes } of ancestors(roots)) {
    const fed = operator.name === 'input' ? shapes[attributes.name as string] : undefined;
    [...axes.values()].forEach((dim, i) => {
      const [name] = dim.names;
      if (fed && name !== undefined && dim.equals(name)) sizes[name] = fed[i] ?? 1;
    });
  }
  return sizes;
}
