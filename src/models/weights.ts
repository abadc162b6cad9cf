import { LoadError } from '../error.ts';
import type { Checkpoint } from '../load/checkpoint.ts';
import type { Tensor } from '../tensor/index.ts';
import { ancestors } from '../tensor/schedule.ts';
import type { Stack } from './stack.ts';

/** Every weight below some values, in the order in which the model asks for them, with the sizes of its axes in stored order. */
export function weightsOf(roots: readonly Tensor<never>[]): Map<string, number[]> {
  const weights = ancestors(roots.map(({ node }) => node)).filter(({ operator }) => operator.name === 'weight');
  return new Map(
    weights.map(({ attributes, axes }) => [
      attributes.name as string,
      [...axes.values()].map((size) => size.evaluate({})),
    ]),
  );
}

/** Can the axes be grouped, in order, into the stored dimensions? [G, R, D, M] fits a stored [out, in]. */
function fits(axes: readonly number[], stored: readonly number[]): boolean {
  let i = 0;
  for (const dimension of stored) {
    let product = 1;
    while (i < axes.length && product * axes[i]! <= dimension && (product < dimension || axes[i] === 1))
      product *= axes[i++]!;
    if (product !== dimension) return false;
  }
  return axes.slice(i).every((size) => size === 1);
}

/** Throws a LoadError, by name, for every tensor that is missing, has another shape, or that nothing reads. */
export function checkWeights(
  checkpoint: Checkpoint,
  stacks: readonly Stack[],
  wanted: ReadonlyMap<string, readonly number[]>,
): void {
  const list = (names: readonly string[]) =>
    names.slice(0, 8).join(', ') + (names.length > 8 ? ` and ${names.length - 8} more` : '');
  const { source } = checkpoint.provenance;
  const { family } = stacks[0]!;
  const missing = [...wanted.keys()].filter((name) => !checkpoint.tensors.has(name));
  if (missing.length > 0)
    throw new LoadError(
      `${source}: missing tensors for family ${family}: ${list(missing)}; the files may be incomplete, or config.json belongs to another model`,
    );
  for (const [name, axes] of wanted) {
    const { shape } = checkpoint.tensors.get(name)!;
    if (!fits(axes, shape))
      throw new LoadError(`${source}: tensor ${name} has shape [${shape}], the configuration makes it [${axes}]`);
  }
  const unread = [...checkpoint.tensors.keys()].filter(
    (name) =>
      !wanted.has(name) &&
      !stacks.some(({ ignoredTensors, tiedTensors }) => ignoredTensors?.test(name) || tiedTensors?.includes(name)),
  );
  if (unread.length > 0)
    throw new LoadError(
      `${source}: tensors that family ${family} does not read: ${list(unread)}; results without them would be wrong`,
    );
}

/** Weights as float32 arrays, decoded once and kept until they are released. */
export class WeightStore {
  private readonly kept = new Map<string, Promise<Float32Array<ArrayBuffer>>>();

  /** With `keep`, releasing forgets nothing until `clear`: right for a model that is run again and again and fits into memory. */
  constructor(
    private readonly checkpoint: Checkpoint,
    readonly keep = false,
  ) {}

  get(name: string): Promise<Float32Array<ArrayBuffer>> {
    let reading = this.kept.get(name);
    if (!reading) {
      reading = this.checkpoint.read(name);
      this.kept.set(name, reading);
      reading.catch(() => this.kept.delete(name));
    }
    return reading;
  }

  /** Forgets weights, so that their memory can be reclaimed; all of them without an argument. */
  release(names: Iterable<string> = [...this.kept.keys()]): void {
    if (!this.keep) for (const name of names) this.kept.delete(name);
  }

  /** Forgets all weights. */
  clear(): void {
    this.kept.clear();
  }
}
