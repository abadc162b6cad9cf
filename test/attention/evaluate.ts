import { nodeRuntime } from '../../src/runtime/node.ts';
import { input, lower, type Output, type Tensor } from '../../src/tensor/index.ts';

/** An input of fixed sizes with its values, row-major in the order of the keys. */
export interface Given<A extends string> {
  readonly tensor: Tensor<A>;
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export function given<const A extends string>(
  name: string,
  axes: Readonly<Record<A, number>>,
  values: ArrayLike<number>,
): Given<A> {
  const tensor = input(name, axes as never) as unknown as Tensor<A>;
  return { tensor, name, shape: Object.values(axes), values: Float32Array.from(values) };
}

/** Values of some outputs without weights, by name. */
export async function evaluate(
  outputs: Readonly<Record<string, Output>>,
  inputs: readonly Given<never>[] | readonly unknown[],
): Promise<Record<string, readonly number[]>> {
  await using runtime = nodeRuntime({ threads: 1 });
  const program = await runtime.compile(lower(outputs, { weights: 'inputs' }));
  const used = new Set(program.graph.inputs.map(({ name }) => name));
  const feeds = (inputs as readonly Given<string>[])
    .filter(({ name }) => used.has(name))
    .map(({ name, shape, values }) => [name, { type: 'float32' as const, shape, data: values }]);
  const made = await program.run(Object.fromEntries(feeds));
  return Object.fromEntries(Object.entries(made).map(([name, { data }]) => [name, Array.from(data as never, Number)]));
}
