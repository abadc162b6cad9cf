import { expect, it } from 'vitest';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { add, dot, gradients, input, lower, type Output, pick, sum, weight } from '../../src/tensor/index.ts';

const [E, M, F] = [3, 2, 4];
const values = Float32Array.from({ length: E * M * F }, (_, i) => i + 1);
const x = input('x', { T: 'T', M });
const stored = () => weight('experts', { E, M, F });
const product = (e: number) => dot(x, pick(stored(), 'E', e), 'M');
const fedX = { type: 'float32' as const, shape: [1, M], data: Float32Array.of(1, 10) };
const whole = { type: 'float32' as const, shape: [E, M, F], data: values };
/** x · W_e */
const expected = (e: number) =>
  Array.from({ length: F }, (_, f) => values[e * M * F + f]! + 10 * values[e * M * F + F + f]!);

const operators = (bytes: Uint8Array) =>
  ['Slice', 'Gather', 'Squeeze'].filter((name) => new TextDecoder('latin1').decode(bytes).includes(name));

async function run(outputs: Record<string, Output>) {
  await using runtime = nodeRuntime({ threads: 1 });
  const graph = lower(outputs, { weights: 'inputs' });
  const program = await runtime.compile(graph);
  const found = await program.run({ x: fedX, '%w0': whole });
  return { graph, y: (name: string) => Array.from(found[name]!.data as Float32Array) };
}

it('a weight of which only places of the first axis are used is fed whole and goes into the program in parts, without a copy there', async () => {
  const { graph, y } = await run({ last: { value: product(2) }, first: { value: product(0) } });
  expect(graph.weights).toEqual([{ input: '%w0', weight: 'experts', shape: [E, M, F], parts: [2, 0] }]);
  expect(operators(graph.bytes)).toEqual([]);
  expect(y('first')).toEqual(expected(0));
  expect(y('last')).toEqual(expected(2));
});

it('a place that is used twice is one part', async () => {
  const { graph, y } = await run({ twice: { value: add(product(1), product(1)) } });
  expect(graph.weights[0]!.parts).toEqual([1]);
  expect(y('twice')).toEqual(expected(1).map((value) => 2 * value));
});

it('a weight that is used as a whole as well, or handed out, or picked from along another axis, is fed as one', async () => {
  const all = (value: Output['value']): Record<string, Output> => ({ one: { value: product(1) }, all: { value } });
  for (const value of [sum(stored(), 'M'), stored(), pick(stored(), 'F', 3)]) {
    const { graph, y } = await run(all(value));
    expect(graph.weights).toEqual([{ input: '%w0', weight: 'experts', shape: [E, M, F] }]);
    expect(y('one')).toEqual(expected(1));
    expect(y('all').length).toBeGreaterThan(0);
  }
});

it('the gradient with respect to a weight used in parts has all its axes, zero where it is not used', async () => {
  const W = stored();
  const loss = sum(dot(x, pick(W, 'E', 1), 'M'), ['T', 'F']);
  const [slope] = gradients(loss, [W]);
  const { graph, y } = await run({ loss: { value: loss }, slope: { value: slope, order: ['E', 'M', 'F'] } });
  expect(graph.weights[0]!.parts).toEqual([1]);
  const rows = [1, 10].flatMap((value) => Array.from({ length: F }, () => value));
  expect(y('slope')).toEqual([...rows.map(() => 0), ...rows, ...rows.map(() => 0)]);
});

it('as initialisers parts are places in the stored bytes', async () => {
  await using runtime = nodeRuntime({ threads: 1 });
  const data = new Uint8Array(8 + values.byteLength);
  data.set(new Uint8Array(values.buffer), 8);
  const storage = { type: 'float32', location: 'all', offset: 8, length: values.byteLength } as const;
  const graph = lower({ y: { value: product(1) } }, { weights: () => storage });
  expect(graph.weights).toEqual([]);
  expect(operators(graph.bytes)).toEqual([]);
  const program = await runtime.compile(graph, { weightData: new Map([['all', data]]) });
  expect(Array.from((await program.run({ x: fedX })).y!.data as Float32Array)).toEqual(expected(1));
});

it('a weight in parts that was not fed, or in another shape, is refused by name', async () => {
  await using runtime = nodeRuntime({ threads: 1 });
  const program = await runtime.compile(lower({ y: { value: product(1) } }, { weights: 'inputs' }));
  await expect(program.run({ x: fedX })).rejects.toThrow('weight "experts" (input %w0) was not fed');
  const turned = { ...whole, shape: [M, E, F] };
  await expect(program.run({ x: fedX, '%w0': turned })).rejects.toThrow(
    'weight "experts": expected [3, 2, 4], got [2, 3, 4]',
  );
});
