import { describe, expect, it } from 'vitest';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { canonical } from '../../src/tensor/axes.ts';
import * as tensor from '../../src/tensor/index.ts';
import {
  add,
  constant,
  Dim,
  type DType,
  dot,
  input,
  iota,
  lessOrEqual,
  lower,
  mean,
  multiply,
  type Output,
  rename,
  select,
  sizes,
  slice,
  softmax,
  sum,
  type Tensor,
  weight,
} from '../../src/tensor/index.ts';
import { Lowering } from '../../src/tensor/lowering.ts';

const bytes = (outputs: Record<string, Output>) => Buffer.from(lower(outputs, { weights: 'inputs' }).bytes);
/** The nodes that a value needs, by type of operator. */
function nodes(...values: Tensor<never>[] | { node: Tensor<never>['node'] }[]) {
  const lowering = new Lowering({ weights: 'inputs' });
  for (const value of values) lowering.lower(value.node);
  return lowering.nodes;
}
const count = (type: string, list: readonly { type: string }[]) => list.filter((node) => node.type === type).length;

/** One block of attention with grouped heads, as a model writes it. */
function attention(x: Tensor<'B' | 'T' | 'M'>, layer = 0) {
  const name = (part: string) => `layers.${layer}.${part}`;
  const q = dot(x, weight(name('q'), { G: 2, R: 3, D: 8, M: 16 }), 'M');
  const k = rename(dot(x, weight(name('k'), { G: 2, D: 8, M: 16 }), 'M'), 'T', 'S');
  const v = rename(dot(x, weight(name('v'), { G: 2, D: 8, M: 16 }), 'M'), 'T', 'S');
  const seen = lessOrEqual(iota('S', 'T'), iota('T', 'T'));
  const pattern = softmax(select(seen, dot(multiply(q, 8 ** -0.5), k, 'D'), Number.NEGATIVE_INFINITY), 'S');
  const z = dot(pattern, v, 'S');
  const out: Tensor<'B' | 'T' | 'M'> = dot(z, weight(name('o'), { M: 16, G: 2, R: 3, D: 8 }), ['G', 'R', 'D']);
  return { out: add(x, out), pattern, received: mean(pattern, 'T') };
}
const hidden = () => input('x', { B: 'B', T: 'T', M: 16 });

describe('the bytes', () => {
  const build = () => {
    const { out, pattern } = attention(hidden());
    return { out: { value: out }, pattern: { value: pattern, order: ['B', 'G', 'R', 'T', 'S'] } };
  };
  it('are the same for the same values', () => {
    const outputs = build();
    expect(bytes(outputs).equals(bytes(outputs))).toBe(true);
  });
  it('are the same when the graph is built again', () => {
    expect(bytes(build()).equals(bytes(build()))).toBe(true);
  });
  it('differ when a number differs', () => {
    const scaled = (factor: number) => bytes({ y: { value: multiply(hidden(), factor) } });
    expect(scaled(0.5).equals(scaled(0.25))).toBe(false);
  });
});

describe('sharing', () => {
  it('equal expressions become one node', () => {
    const x = hidden();
    const twice = add(softmax(multiply(x, 2), 'M'), softmax(multiply(x, 2), 'M'));
    expect(nodes(twice).map(({ type }) => type)).toEqual(['Mul', 'Softmax', 'Add']);
  });
  it('two layers share their mask and their sizes', () => {
    const one = attention(hidden());
    const two = attention(one.out, 1);
    const list = nodes(two.out);
    expect(count('LessOrEqual', list)).toBe(1);
    expect(count('Range', list)).toBe(1);
    expect(count('Shape', list)).toBe(1);
  });
  it('weights are asked for once, in the order of their first use', () => {
    const { weights } = lower({ out: { value: attention(attention(hidden()).out).out } }, { weights: 'inputs' });
    expect(weights.map((w) => [w.weight, w.shape.join('×')])).toEqual([
      ['layers.0.q', '2×3×8×16'],
      ['layers.0.k', '2×8×16'],
      ['layers.0.v', '2×8×16'],
      ['layers.0.o', '16×2×3×8'],
    ]);
  });
  it('what no output needs is left out', () => {
    const x = hidden();
    softmax(x, 'M');
    expect(lower({ y: { value: add(x, 1) } }, { weights: 'inputs' }).inputs.map(({ name }) => name)).toEqual(['x']);
  });
});

describe('moving data', () => {
  it('a layer of attention transposes q, k, v and z once each, never scores or pattern', () => {
    const { out, received } = attention(hidden());
    const list = nodes(out, received);
    expect(count('Transpose', list)).toBe(4);
    const made = new Map(list.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
    const pattern = list.find(({ type }) => type === 'Softmax')!;
    for (
      let node: typeof pattern | undefined = pattern;
      node && node.type !== 'MatMul';
      node = made.get(node.inputs[node.type === 'Where' ? 1 : 0]!)
    )
      expect(['Softmax', 'Where', 'Reshape']).toContain(node.type);
    const readers = list.filter(({ inputs }) => inputs.includes(pattern.outputs[0]!)).map(({ type }) => type);
    expect(readers.sort()).toEqual(['ReduceMean', 'Reshape']);
  });
  it('two layers transpose eight times', () => {
    expect(count('Transpose', nodes(attention(attention(hidden()).out, 1).out))).toBe(8);
  });
  it('a multilayer perceptron with weights as stored transposes nothing', () => {
    const x = hidden();
    const up = dot(x, weight('up', { F: 32, M: 16 }), 'M');
    const out = dot(up, weight('down', { M: 16, F: 32 }), 'F');
    expect(count('Transpose', nodes(out))).toBe(0);
    expect(count('Gemm', nodes(out))).toBe(2);
  });
  it('a norm broadcasts its reduced axis without a reshape', () => {
    const x = hidden();
    const normed = multiply(x, tensor.power(add(mean(multiply(x, x), 'M'), 1e-6), -0.5));
    expect(nodes(normed).map(({ type }) => type)).toEqual(['Mul', 'ReduceMean', 'Add', 'Pow', 'Mul']);
  });
});

describe('what leaves a program', () => {
  it('has the canonical order of axes, or the order asked for', async () => {
    expect(canonical(['D', 'S', 'T', 'R', 'G', 'B', 'other', 'L'])).toEqual([
      'L',
      'B',
      'G',
      'R',
      'T',
      'S',
      'D',
      'other',
    ]);
    await using runtime = nodeRuntime({ threads: 1 });
    const x = input('x', { M: 3, T: 'T' });
    const program = await runtime.compile(
      lower({ a: { value: x }, b: { value: x, order: ['M', 'T'] } }, { weights: 'inputs' }),
    );
    const { a, b } = await program.run({
      x: { type: 'float32', shape: [3, 2], data: new Float32Array([0, 1, 2, 3, 4, 5]) },
    });
    expect([a!.shape, [...a!.data]]).toEqual([
      [2, 3],
      [0, 2, 4, 1, 3, 5],
    ]);
    expect([b!.shape, [...b!.data]]).toEqual([
      [3, 2],
      [0, 1, 2, 3, 4, 5],
    ]);
  });
  it('may be given under two names, and may be what came in', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const x = input('x', { T: 'T' });
    const program = await runtime.compile(lower({ a: { value: x }, b: { value: x } }, { weights: 'inputs' }));
    const data = new Float32Array([1, 2]);
    const { a, b } = await program.run({ x: { type: 'float32', shape: [2], data } });
    data.fill(7);
    expect([[...a!.data], [...b!.data]]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });
  it('can use sizes of inputs that come later', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const positions = tensor.cast(iota('T', 'N'), 'float32');
    const late = input('late', { N: 'N' });
    const value = add(positions, sum(late, 'N'));
    const { y } = await (await runtime.compile(lower({ y: { value } }, { weights: 'inputs' }))).run({
      late: { type: 'float32', shape: [3], data: new Float32Array([1, 1, 1]) },
    });
    expect([...y!.data]).toEqual([3, 4, 5]);
  });
  it('has no name in common with anything inside', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const x = input('v0', { T: 'T' });
    const outputs = { v1: { value: add(x, 1) }, 'v1.size': { value: add(x, 2) }, w0: { value: add(x, 3) } };
    const results = await (await runtime.compile(lower(outputs, { weights: 'inputs' }))).run({
      v0: { type: 'float32', shape: [1], data: new Float32Array([0]) },
    });
    expect(Object.entries(results).map(([name, { data }]) => [name, ...data])).toEqual([
      ['v1', 1],
      ['v1.size', 2],
      ['w0', 3],
    ]);
  });
});

it('every element type that an operator accepts is one that the runtime can run', async () => {
  await using runtime = nodeRuntime({ threads: 1 });
  const types: DType[] = ['float32', 'float64', 'int64', 'bool'];
  const x = (type: DType) => input('x', { T: 'T', M: 4 }, type);
  const builders: Record<string, (type: DType) => { node: Tensor<never>['node'] }> = {};
  const { negate, absolute, exp, log, sqrt, cos, sin, tanh, sigmoid, relu, erf, not } = tensor;
  const unary = { negate, absolute, exp, log, sqrt, cos, sin, tanh, sigmoid, relu, erf, not };
  const { add, subtract, multiply, divide, minimum, maximum, power, less, lessOrEqual, equal, and, or } = tensor;
  const binary = { add, subtract, multiply, divide, minimum, maximum, power, less, lessOrEqual, equal, and, or };
  const { sum, mean, highest, lowest } = tensor;
  const reductions = { sum, mean, highest, lowest };
  for (const [name, operator] of Object.entries(unary)) builders[name] = (type) => operator(x(type));
  for (const [name, operator] of Object.entries(binary)) builders[name] = (type) => operator(x(type), x(type));
  for (const [name, operator] of Object.entries(reductions)) builders[name] = (type) => operator(x(type), 'M');
  builders.softmax = (type) => softmax(x(type), 'M');
  builders.dot = (type) => dot(x(type), x(type), 'M');
  builders.gemm = (type) => dot(x(type), rename(x(type), 'T', 'S'), 'M');
  builders.remainder = (type) => tensor.remainder(x(type), 2);
  builders.select = (type) => select(input('c', { T: 'T' }, 'bool') as tensor.Within<'T' | 'M'>, x(type), x(type));
  builders.slice = (type) => slice(x(type), 'T', 0, sizes(x(type)).get('T')!);
  builders.pick = (type) => tensor.pick(x(type), 'M', 0);
  builders.gather = (type) => tensor.gather(x(type), input('ids', { B: 'B' }, 'int64'), 'M');
  builders.topMask = (type) => tensor.topMask(x(type), 'M', 2);
  builders.concat = (type) => tensor.concat([x(type), x(type)], 'M');
  builders.expand = (type) => tensor.expand(x(type), { B: 2 });
  builders.constant = (type) => constant([0, 1], { M: 2 }, type);
  for (const to of types) builders[`cast to ${to}`] = (type) => tensor.cast(x(type), to);
  const refused: string[] = [];
  let accepted = 0;
  for (const [name, build] of Object.entries(builders))
    for (const type of types) {
      let value: { node: Tensor<never>['node'] };
      try {
        value = build(type);
      } catch {
        continue;
      }
      accepted++;
      await runtime
        .compile(lower({ y: { value } as Output }, { weights: 'inputs' }))
        .catch(() => refused.push(`${name} ${type}`));
    }
  expect(refused).toEqual([]);
  expect(accepted).toBeGreaterThan(60);
});

describe('a slice whose bounds only the run decides', () => {
  const cut = (start: Dim, end: Dim) => {
    const table = input('table', { S: 12 });
    return { cut: { value: slice(table, 'S', start, end) }, fed: { value: multiply(input('x', { T: 'T' }), 1) } };
  };
  const feeds = (T: number) => ({
    x: { type: 'float32' as const, shape: [T], data: new Float32Array(T) },
    table: { type: 'float32' as const, shape: [12], data: Float32Array.from({ length: 12 }, (_, i) => i) },
  });

  it('is taken where they lie inside, and refused where they do not: never clipped, never counted from the end', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const T = Dim.of('T');
    const [first, before] = await Promise.all(
      [cut(Dim.of(0), T), cut(Dim.of(7).minus(T), Dim.of(7))].map((outputs) =>
        runtime.compile(lower(outputs, { weights: 'inputs' })),
      ),
    );
    expect([...(await first!.run(feeds(3))).cut!.data]).toEqual([0, 1, 2]);
    expect([...(await before!.run(feeds(3))).cut!.data]).toEqual([4, 5, 6]);
    await expect(first!.run(feeds(13))).rejects.toThrow('out of data bounds');
    await expect(before!.run(feeds(8))).rejects.toThrow('out of data bounds');
    await expect(before!.run(feeds(13))).rejects.toThrow('out of data bounds');
  });
});
