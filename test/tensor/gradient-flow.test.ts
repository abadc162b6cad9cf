import { expect, it } from 'vitest';
import { ShapeError } from '../../src/error.ts';
import type { HostTensor } from '../../src/runtime/backend.ts';
import {
  absolute,
  add,
  cast,
  constant,
  crossEntropy,
  dot,
  equal,
  exp,
  fusedAttention,
  gradients,
  highest,
  input,
  iota,
  less,
  log,
  lower,
  mark,
  maximum,
  mean,
  minimum,
  multiply,
  negate,
  power,
  relu,
  rename,
  scalar,
  scatterAdd,
  select,
  softmax,
  sqrt,
  stopGradient,
  straightThrough,
  subtract,
  sum,
  type Tensor,
  takeAlong,
  tanh,
  topMask,
} from '../../src/tensor/index.ts';
import { generator, runtime } from './check.ts';

type Any = { readonly node: Tensor<never>['node'] };

/** Runs a program and returns its outputs as plain numbers. */
async function run(outputs: Record<string, Any>, feeds: Record<string, HostTensor> = {}) {
  const wrapped = Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, { value }]));
  const program = await runtime.compile(lower(wrapped, { weights: 'inputs' }));
  const found = await program.run(feeds);
  return Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, Array.from(data as never, Number)]));
}
const doubles = (values: readonly number[], shape: readonly number[] = [values.length]): HostTensor => ({
  type: 'float64',
  shape,
  data: new Float64Array(values),
});
const message = (build: () => unknown): string => {
  try {
    build();
  } catch (error) {
    return error instanceof ShapeError ? error.message : `not a ShapeError: ${error}`;
  }
  return 'nothing was thrown';
};
/** Values that are fed, so that the runtime cannot fold them: x [T] in double precision. */
const x = input('x', { T: 'T' }, 'float64');

it('a comparison, a choice and a size let no gradient through, and do not throw', async () => {
  const y = input('y', { T: 3 });
  const choice = add(
    cast(topMask(y, 'T', 1), 'float32'),
    add(cast(less(y, 0), 'float32'), cast(equal(y, y), 'float32')),
  );
  const [through, alone] = [multiply(y, choice), choice].map((value) => gradients(sum(value, 'T'), [y])[0]!);
  const fed = { y: { type: 'float32', shape: [3], data: new Float32Array([-1, 3, 2]) } } as const;
  expect(await run({ through: through!, alone: alone! }, fed)).toEqual({ through: [2, 2, 1], alone: [0, 0, 0] });
});

it('stopGradient lets nothing through and straightThrough the gradient of its second operand', async () => {
  const rounded = select(less(x, 0), 0, add(multiply(x, 0), 1));
  const losses = {
    stopped: multiply(x, stopGradient(x)),
    straight: multiply(straightThrough(rounded as never, multiply(x, 3)), x),
  };
  const found = Object.fromEntries(
    Object.entries(losses).map(([name, value]) => [name, gradients(sum(value as Tensor<'T'>, 'T'), [x])[0]!]),
  );
  // d(hard · x) / dx = 3x + hard
  expect(await run(found, { x: doubles([-2, 5]) })).toEqual({ stopped: [-2, 5], straight: [-6, 16] });
});

it('the gradient at an inner value counts what comes after it, and at a mark no path around it', async () => {
  const square = multiply(x, x);
  const marked = mark(square);
  const loss = sum(add(multiply(marked, x), square), 'T');
  const [inner, point, outer] = gradients(loss, [square, marked, x]);
  expect(await run({ inner, point, outer }, { x: doubles([2, 3]) })).toEqual({
    inner: [3, 4],
    point: [2, 3],
    outer: [12 + 4, 27 + 6],
  });
});

it('a value that the loss does not depend on has gradient zero with its axes, and the loss itself has gradient one', async () => {
  const other = input('other', { B: 2, T: 'T' }, 'float64');
  const loss = sum(x, 'T');
  const [none, self, twice, again] = gradients(loss, [other, loss as never, x as never, x as never]) as Any[];
  const feeds = { x: doubles([1, 2, 3]), other: doubles([1, 2, 3, 4, 5, 6], [2, 3]) };
  expect([...none!.node.axes.keys()]).toEqual(['B', 'T']);
  // The size of T is read from an input of the program.
  const read = await run(
    { none: add(none as Tensor<'B' | 'T'>, multiply(other, 0)), self: self!, twice: twice!, again: again! },
    feeds,
  );
  expect(read).toEqual({ none: [0, 0, 0, 0, 0, 0], self: [1], twice: [1, 1, 1], again: [1, 1, 1] });
});

it('a loss with axes, values that are not floating, and fused attention are refused by name', () => {
  expect(message(() => gradients(x as never, [x]))).toMatchInlineSnapshot(
    `"gradients: expected a loss without axes, got [T]; sum or average it first"`,
  );
  const ids = input('ids', { T: 'T' }, 'int64');
  expect(message(() => gradients(sum(x, 'T'), [ids]))).toMatchInlineSnapshot(
    `"gradients: expected floating values, got int64 (input [T])"`,
  );
  expect(message(() => gradients(sum(ids, 'T'), [x]))).toMatchInlineSnapshot(
    `"gradients: expected floating values, got int64 (sum [])"`,
  );
  const q = input('q', { B: 'B', T: 'T', G: 1, R: 2, D: 4 });
  const k = input('k', { B: 'B', S: 'S', G: 1, D: 4 });
  const z = sum(fusedAttention(q, k, k, scalar(0), 1), ['B', 'T', 'G', 'R', 'D']);
  expect(message(() => gradients(z, [q]))).toMatchInlineSnapshot(
    `"gradients: fusedAttention has no gradient: the watched steps are differentiated instead"`,
  );
  // Where no target lies before it, it is not in the way.
  expect(message(() => gradients(z, [x as never]))).toBe('nothing was thrown');
});

it('at ties and kinks: maximum and minimum go to the first, highest shares, relu and absolute are flat', async () => {
  const y = input('y', { T: 'T' }, 'float64');
  const first = (loss: Tensor<'T'>) => gradients(sum(loss, 'T'), [x, y]);
  const [a, b] = first(maximum(x, y));
  const [c, d] = first(minimum(x, y));
  const [shared] = gradients(highest(x, 'T'), [x]);
  const [flat] = gradients(sum(relu(subtract(x, 1)), 'T'), [x]);
  const [sign] = gradients(sum(absolute(subtract(x, 1)), 'T'), [x]);
  const feeds = { x: doubles([1, 0, 1]), y: doubles([1, 1, 0]) };
  expect(await run({ a, b, c, d, shared, flat, sign }, feeds)).toEqual({
    a: [1, 0, 1],
    b: [0, 1, 0],
    c: [1, 1, 0],
    d: [0, 0, 1],
    shared: [0.5, 0, 0.5],
    flat: [0, 0, 0],
    sign: [0, -1, 0],
  });
});

it('powers have finite gradients at base 0 with exponents 0, 1 and 2, written or computed', async () => {
  const exponent = input('e', { T: 'T' }, 'float64');
  const written = [0, 1, 2].map((e) => gradients(sum(power(x, e), 'T'), [x])[0]!);
  const [base, up] = gradients(sum(power(x, exponent), 'T'), [x, exponent]);
  const found = await run(
    { a: written[0]!, b: written[1]!, c: written[2]!, base, up },
    { x: doubles([0, 0, 0]), e: doubles([0, 1, 2]) },
  );
  expect(found).toEqual({ a: [0, 0, 0], b: [1, 1, 1], c: [0, 0, 0], base: [0, 1, 0], up: [0, 0, 0] });
});

it('keys masked with −∞ have gradient 0 through softmax, and none is NaN', async () => {
  const open = constant([1, 0, 1, 0], { T: 4 }, 'bool');
  const s = input('s', { T: 4 }, 'float64');
  const bias = select(open, scalar(0, 'float64') as never, Number.NEGATIVE_INFINITY) as Tensor<'T'>;
  const p = softmax(add(s, bias), 'T');
  const loss = sum(multiply(multiply(p, p), constant([1, 2, 3, 4], { T: 4 }, 'float64')), 'T');
  const { g } = await run({ g: gradients(loss, [s])[0] }, { s: doubles([0.3, 9, -0.2, 1]) });
  const e = [Math.exp(0.3), Math.exp(-0.2)];
  const [p0, p2] = e.map((v) => v / (e[0]! + e[1]!)) as [number, number];
  const weighted = 2 * p0 * p0 + 6 * p2 * p2;
  [p0 * (2 * p0 - weighted), 0, p2 * (6 * p2 - weighted), 0].forEach((expected, i) => {
    expect(g![i]).toBeCloseTo(expected, 12);
  });
});

it('a choice after an infinite slope is NaN, as in other libraries, and a choice before it too is not', async () => {
  const positive = less(0, x);
  const trap = select(positive, log(x), 0);
  const safe = select(positive, log(select(positive, x, 1)), 0);
  const [a, b] = [trap, safe].map((value) => gradients(sum(value, 'T'), [x])[0]!);
  expect(await run({ a: a!, b: b! }, { x: doubles([0, 2]) })).toEqual({ a: [Number.NaN, 0.5], b: [0, 0.5] });
});

/** Second derivatives: a random combination of first derivatives, differentiated, against differences of the first. */
async function second(f: (value: Tensor<'B' | 'T'>) => Tensor<never>, tolerance = 1e-6) {
  const v = input('v', { B: 2, T: 3 }, 'float64');
  const random = generator(3);
  const weights = constant(
    Array.from({ length: 6 }, () => random() - 0.4),
    { B: 2, T: 3 },
    'float64',
  );
  const [first] = gradients(f(v), [v]);
  const combined = sum(multiply(first, weights), ['B', 'T']);
  const [hessian] = gradients(combined, [v]);
  const start = Array.from({ length: 6 }, () => random() * 2 - 1);
  const at = (values: readonly number[]) => run({ combined, hessian }, { v: doubles(values, [2, 3]) });
  const { hessian: found } = await at(start);
  const step = 1e-5;
  for (const [i] of start.entries()) {
    const moved = (by: number) => at(start.map((value, j) => (i === j ? value + by : value)));
    const expected = ((await moved(step)).combined![0]! - (await moved(-step)).combined![0]!) / (2 * step);
    expect(Math.abs(found![i]! - expected), `element ${i}`).toBeLessThan(tolerance * Math.max(1, Math.abs(expected)));
  }
  expect(Math.max(...found!.map(Math.abs))).toBeGreaterThan(1e-3);
}
const all = ['B', 'T'] as const;
const w = constant([0.3, -1, 0.7, 0.2, 0.5, -0.6], { B: 2, T: 3 }, 'float64');

it('the gradient of a gradient of tanh equals its differences', () => second((v) => sum(multiply(tanh(v), w), all)));
it('the gradient of a gradient of attention equals its differences', () =>
  second((v) => {
    const pattern = softmax(dot(v, rename(v, 'T', 'S'), 'B'), 'S');
    return sum(multiply(dot(pattern, rename(v, 'T', 'S'), 'S'), w), all);
  }));
it('the gradient of a gradient of a root mean square norm equals its differences', () =>
  second((v) => {
    const root = sqrt(add(mean(power(v, 2), 'T'), 1e-5));
    return sum(multiply(multiply(v, divideBy(root) as never), w), all);
  }));
const divideBy = (root: Tensor<'B'>) => power(root, -1);
it('the gradient of a gradient of a cross-entropy equals its differences', () =>
  second((v) => mean(crossEntropy(multiply(v, v), constant([2, 0], { B: 2 }, 'int64'), 'T'), 'B')));

it('cross-entropy and its gradient equal the composed form', async () => {
  const [V, T] = [4096, 5];
  const logits = input('logits', { T, V }, 'float64');
  const targets = input('targets', { T }, 'int64');
  const top = stopGradient(highest(logits, 'V'));
  const spread = add(log(sum(exp(subtract(logits, top as never)), 'V')), top);
  const chosen = sum(select(equal(iota('V', V), targets) as never, logits, 0), 'V');
  const losses = { fused: crossEntropy(logits, targets, 'V'), composed: subtract(spread, chosen) };
  const taken = negate(takeAlong(logits, targets, 'V'));
  const outputs = Object.fromEntries(
    Object.entries(losses).flatMap(([name, value]) => [
      [name, value as Any],
      [`${name}_gradient`, gradients(mean(value, 'T'), [logits])[0] as Any],
    ]),
  );
  const random = generator(11);
  const ids = [0, 4095, 17, 17, 2048];
  const found = await run(
    { ...outputs, taken },
    {
      logits: doubles(
        Array.from({ length: T * V }, () => random() * 20 - 10),
        [T, V],
      ),
      targets: { type: 'int64', shape: [T], data: BigInt64Array.from(ids, BigInt) },
    },
  );
  found.composed!.forEach((value, i) => {
    expect(found.fused![i]).toBeCloseTo(value, 11);
  });
  const worst = Math.max(...found.composed_gradient!.map((g, i) => Math.abs(g - found.fused_gradient![i]!)));
  expect(worst).toBeLessThan(1e-14);
});

it('rows scattered to repeated ids of a table of 4,096 add up exactly, and alike in every run', async () => {
  const [V, T, M] = [4096, 2000, 3];
  const rows = input('rows', { T, M });
  const ids = input('ids', { T }, 'int64');
  const random = generator(5);
  // Whole numbers below 2^24 add without rounding in any order.
  const values = Array.from({ length: T * M }, () => Math.floor(random() * 2000) - 1000);
  const places = Array.from({ length: T }, () => (random() < 0.5 ? 4095 : Math.floor(random() * V)));
  const exact = new Array<number>(V * M).fill(0);
  values.forEach((value, i) => {
    exact[places[Math.floor(i / M)]! * M + (i % M)]! += value;
  });
  const program = await runtime.compile(
    lower({ y: { value: scatterAdd(rows, ids, 'V', V), order: ['V', 'M'] } }, { weights: 'inputs' }),
  );
  const fed = (data: readonly number[]) => ({
    rows: { type: 'float32', shape: [T, M], data: Float32Array.from(data) } as const,
    ids: { type: 'int64', shape: [T], data: BigInt64Array.from(places, BigInt) } as const,
  });
  expect(Array.from((await program.run(fed(values))).y!.data as Float32Array)).toEqual(exact);
  const fractions = values.map((value) => value / 3);
  const once = Array.from((await program.run(fed(fractions))).y!.data as Float32Array);
  for (let repeat = 0; repeat < 5; repeat++)
    expect(Array.from((await program.run(fed(fractions))).y!.data as Float32Array)).toEqual(once);
});
