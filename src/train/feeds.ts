import { InputError } from '../error.ts';
import type { HostTensor } from '../runtime/backend.ts';
import type { Program } from '../runtime/runtime.ts';

/** What a program is fed beside the parameters, by input name. */
export type Feeds = Readonly<Record<string, HostTensor>>;

/** Shapes of a batch, by input name. */
export const shapesOf = (feeds: Feeds): Record<string, readonly number[]> =>
  Object.fromEntries(Object.entries(feeds).map(([name, { shape }]) => [name, shape]));

/** A float32 array under a shape. */
export const hostOf = (shape: readonly number[], data: Float32Array): HostTensor => ({ type: 'float32', shape, data });

/** The number in a fetched value without axes. */
export const numberOf = (value: HostTensor): number => Number(value.data[0]);

/** The array of this name; throws an InputError that names it. */
export function arrayOf(
  arrays: ReadonlyMap<string, Float32Array<ArrayBuffer>>,
  kind: string,
  name: string,
): Float32Array<ArrayBuffer> {
  const found = arrays.get(name);
  if (!found)
    throw new InputError(`training state: there is no ${kind} "${name}"; was it made by another task or optimiser?`);
  return found;
}

/** The parameters as a program's fed weights. */
export function weightFeeds(
  { graph }: Program,
  parameters: ReadonlyMap<string, Float32Array<ArrayBuffer>>,
): Record<string, HostTensor> {
  return Object.fromEntries(
    graph.weights.map(({ input, weight, shape }) => [input, hostOf(shape, arrayOf(parameters, 'parameter', weight))]),
  );
}
