import { RunError } from '../error.ts';
import type { Graph } from '../tensor/graph.ts';
import { partInput } from '../tensor/lowering.ts';
import type { DType } from '../tensor/tensor.ts';
import type { HostTensor } from './backend.ts';

const arrays: Record<DType, { readonly name: string }> = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  bool: Uint8Array,
};

const show = (values: readonly unknown[]) => `[${values.join(', ')}]`;

/** The tensor fed under a name, when it is one of this type whose data has the length that its shape says. */
function fed(feeds: Readonly<Record<string, HostTensor>>, name: string, what: string, type: DType): HostTensor {
  const tensor = Object.hasOwn(feeds, name) ? feeds[name] : undefined;
  if (!tensor) throw new RunError(`${what} was not fed`);
  if (tensor.type !== type) throw new RunError(`${what}: expected ${type}, got ${tensor.type}`);
  if (tensor.data.constructor.name !== arrays[type].name)
    throw new RunError(`${what}: expected a ${arrays[type].name} for ${type}, got ${tensor.data.constructor.name}`);
  const length = tensor.shape.reduce((product, size) => product * size, 1);
  if (tensor.data.length !== length)
    throw new RunError(
      `${what}: shape ${show(tensor.shape)} has ${length} elements, the data has ${tensor.data.length}`,
    );
  return tensor;
}

/**
 * Throws a RunError unless every input and fed weight is there, with its type and shape, and a dynamic size is the same wherever it occurs:
 * the runtime itself would broadcast a mask of one position to any length.
 */
export function checkFeeds({ inputs, weights }: Graph, feeds: Readonly<Record<string, HostTensor>>): void {
  const known: Record<string, number> = {};
  const from: Record<string, string> = {};
  const wrong = (name: string, axes: ReadonlyMap<string, unknown>, shape: readonly number[], why: string) =>
    new RunError(
      `input "${name}": expected { ${[...axes].map(([axis, size]) => `${axis}: ${size}`).join(', ')} }, got ${show(shape)}${why}`,
    );
  for (const { name, type, axes } of inputs) {
    const { shape } = fed(feeds, name, `input "${name}"`, type);
    if (shape.length !== axes.size) throw wrong(name, axes, shape, '');
    [...axes.values()].forEach((size, i) => {
      const dimension = size.single;
      if (dimension === undefined) return;
      if (known[dimension] !== undefined && known[dimension] !== shape[i])
        throw wrong(name, axes, shape, `, while ${dimension} is ${known[dimension]} in input "${from[dimension]}"`);
      known[dimension] = shape[i]!;
      from[dimension] ??= name;
    });
  }
  for (const { name, axes } of inputs) {
    const { shape } = feeds[name]!;
    [...axes.values()].forEach((size, i) => {
      // Its own name was compared above.
      if (size.single !== undefined || size.names.some((dimension) => known[dimension] === undefined)) return;
      const expected = size.evaluate(known);
      if (shape[i] !== expected)
        throw wrong(name, axes, shape, size.constant === undefined ? `, where ${size} is ${expected}` : '');
    });
  }
  for (const { input, weight, shape } of weights) {
    const tensor = fed(feeds, input, `weight "${weight}" (input ${input})`, 'float32');
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i]))
      throw new RunError(`weight "${weight}": expected ${show(shape)}, got ${show(tensor.shape)}`);
  }
}

/** What the session takes: of weights that the graph takes in parts, each part as a view. */
export function inParts(
  { weights }: Graph,
  feeds: Readonly<Record<string, HostTensor>>,
): Readonly<Record<string, HostTensor>> {
  if (weights.every(({ parts }) => parts === undefined)) return feeds;
  const all = { ...feeds };
  for (const { input, shape, parts } of weights) {
    if (!parts) continue;
    const { type, data } = feeds[input]!;
    const each = data.length / shape[0]!;
    delete all[input];
    for (const part of parts)
      all[partInput(input, part)] = {
        ...{ type, shape: shape.slice(1) },
        data: data.subarray(part * each, (part + 1) * each),
      };
  }
  return all;
}
