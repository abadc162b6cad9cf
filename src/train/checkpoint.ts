import { InputError, LoadError } from '../error.ts';
import type { SafetensorsFile } from '../load/safetensors-file.ts';
import type { TensorToWrite } from '../load/write-safetensors.ts';
import { type Optimizer, slotsOf } from './optimizer.ts';
import type { Parameter } from './parameter.ts';
import { elementsOf, slotName, type TrainState } from './state.ts';

/** What decides how a run goes on. */
export interface RunSettings {
  /** All randomness of a run comes from its seed: initial values by parameter name, batches by their number. */
  readonly seed: number;
  /** What the batches are taken from; null where it was not named. */
  readonly data: string | null;
  readonly accumulate: number;
  readonly clip: number | null;
  /** null where it is a function of the parameter. */
  readonly decay: number | null;
  readonly optimizer: { readonly name: string; readonly settings: Readonly<Record<string, unknown>> };
  readonly schedule: { readonly name: string; readonly settings: Readonly<Record<string, unknown>> };
}

/** Beside the arrays: where a run stands. There is no other random state: the next batch is number `batches` of the seed. */
export interface RunRecord {
  readonly format: 'sinklab training';
  readonly version: 1;
  /** Updates done. */
  readonly step: number;
  /** Batches consumed: the position in the data. */
  readonly batches: number;
  readonly settings: RunSettings;
  /** What the caller keeps with the run (curves, the recipe): any JSON. */
  readonly notes?: unknown;
}

export interface RunSnapshot {
  readonly state: TrainState;
  readonly record: RunRecord;
}

/** Where a run is saved and found again. */
export interface CheckpointStore {
  save(snapshot: RunSnapshot, parameters: readonly Parameter[]): Promise<void>;
  /** The last complete one; undefined when there is none. Throws a LoadError for one that is damaged or of another task. */
  latest(parameters: readonly Parameter[], optimizer: Optimizer): Promise<RunSnapshot | undefined>;
}

/** Throws an InputError that names the first setting in which a saved run differs from what is asked for. */
export function checkSameRun(saved: RunSettings, asked: RunSettings): void {
  for (const key of ['seed', 'data', 'accumulate', 'clip', 'decay', 'optimizer', 'schedule'] as const) {
    const [before, now] = [stable(saved[key]), stable(asked[key])];
    if (before !== now)
      throw new InputError(
        `resume: the saved run has ${key} ${before}, this one ${now}; give the same settings, or save to another folder`,
      );
  }
}

/** JSON with sorted keys. */
const stable = (value: unknown) =>
  JSON.stringify(value, (_, part) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );

const key = { parameter: (name: string) => `parameter ${name}`, slot: (name: string) => `slot ${name}` };

/** The arrays of a state, for a safetensors file. */
export function stateTensors({ state }: RunSnapshot, parameters: readonly Parameter[]): Map<string, TensorToWrite> {
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, values] of state.parameters)
    tensors.set(key.parameter(name), { dtype: 'F32', shape: shapes.get(name) ?? [values.length], values });
  for (const [name, values] of state.slots)
    tensors.set(key.slot(name), {
      dtype: 'F32',
      shape: shapes.get(name.slice(name.indexOf(' ') + 1)) ?? [values.length],
      values,
    });
  return tensors;
}

/** Reads a state back. Strict: a missing, unexpected or misshapen array is a LoadError by name. */
export async function readState(
  file: SafetensorsFile,
  step: number,
  parameters: readonly Parameter[],
  optimizer: Optimizer,
  place: string,
): Promise<TrainState> {
  const unread = new Set(file.tensors.keys());
  const read = async (name: string, { shape }: Parameter) => {
    const stored = file.tensors.get(name);
    if (!stored)
      throw new LoadError(`${place}: there is no "${name}"; the folder belongs to another task or optimiser`);
    if (stored.dtype !== 'F32' || stored.shape.join() !== shape.join() || stored.bytes !== 4 * elementsOf(shape))
      throw new LoadError(`${place}: "${name}" is ${stored.dtype} [${stored.shape}], the task makes it F32 [${shape}]`);
    unread.delete(name);
    return file.read(name);
  };
  const values = new Map<string, Float32Array<ArrayBuffer>>();
  const slots = new Map<string, Float32Array<ArrayBuffer>>();
  for (const parameter of parameters) {
    values.set(parameter.name, await read(key.parameter(parameter.name), parameter));
    for (const slot of slotsOf(optimizer, parameter)) {
      const name = slotName(slot, parameter.name);
      slots.set(name, await read(key.slot(name), parameter));
    }
  }
  const [extra] = unread;
  if (extra !== undefined) throw new LoadError(`${place}: "${extra}" belongs to no parameter of this task`);
  return { step, parameters: values, slots };
}

/** Checks a parsed record: it comes from a file. */
export function parseRecord(value: unknown, place: string): RunRecord {
  const record = value as RunRecord;
  const whole = (n: unknown) => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0;
  if (record?.format !== 'sinklab training') throw new LoadError(`${place}: this is no record of a training run`);
  if (record.version !== 1)
    throw new LoadError(`${place}: version ${JSON.stringify(record.version)}; this release reads version 1`);
  if (!whole(record.step) || !whole(record.batches) || typeof record.settings !== 'object' || record.settings === null)
    throw new LoadError(`${place}: expected whole numbers "step" and "batches" and an object "settings"`);
  return record;
}
