import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import {
  add,
  Dim,
  dot,
  input,
  lower,
  multiply,
  type Output,
  rename,
  slice,
  softmax,
  sum,
} from '../../src/tensor/index.ts';
import { child } from './child.ts';

const f32 = (shape: number[], value = 1): HostTensor => ({
  type: 'float32',
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
});
const lowered = (outputs: Record<string, Output>) => lower(outputs, { weights: 'inputs' });
const scores = () => {
  const x = input('x', { B: 'B', T: 'T', M: 4 });
  const mask = input('mask', { T: 'T' });
  const past = input('past', { B: 'B', S: Dim.of('T').plus(1) });
  return lowered({ y: { value: add(sum(x, 'M'), mask) }, z: { value: sum(past, 'S') } });
};
const right = { x: f32([2, 3, 4]), mask: f32([3]), past: f32([2, 4]) };

/** Name and message of what a promise is rejected with. */
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing was thrown',
    (e: Error) => `${e.name}: ${e.message}`,
  );

describe('sessions', () => {
  it('programs of equal bytes share one', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const [a, b] = await Promise.all([runtime.compile(scores()), runtime.compile(scores())]);
    expect(runtime.sessionCount).toBe(1);
    await runtime.compile(lowered({ y: { value: multiply(input('x', { T: 'T' }), 2) } }));
    expect(runtime.sessionCount).toBe(2);
    expect((await a.run(right)).y).toEqual((await b.run(right)).y);
  });
  it('a runtime that was released compiles again', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const before = await runtime.compile(scores());
    await runtime.release();
    expect(runtime.sessionCount).toBe(0);
    expect(await failure(before.run(right))).toMatchInlineSnapshot(
      `"RunError: this program has been released with its runtime; compile it again"`,
    );
    expect([...(await (await runtime.compile(scores())).run(right)).z!.data]).toEqual([4, 4]);
  });
  it('a runtime that was disposed of does not, and may be disposed of twice', async () => {
    const runtime = nodeRuntime({ threads: 1 });
    await runtime.dispose();
    await runtime.dispose();
    expect(await failure(runtime.compile(scores()))).toMatchInlineSnapshot(
      `"RunError: this runtime has been disposed of"`,
    );
  });
  it('a run that has begun ends before its memory is released', async () => {
    const runtime = nodeRuntime({ threads: 1 });
    const x = input('x', { T: 'T', M: 256 });
    const program = await runtime.compile(lowered({ y: { value: sum(dot(x, rename(x, 'T', 'S'), 'M'), ['T', 'S']) } }));
    const running = program.run({ x: f32([1024, 256]) });
    await runtime.dispose();
    expect((await running).y!.data[0]).toBe(1024 * 1024 * 256);
  });
  it('several runs of one session at once give each its own result', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(lowered({ y: { value: multiply(input('x', { T: 'T' }), 2) } }));
    const results = await Promise.all([1, 2, 3].map((value) => program.run({ x: f32([value], value) })));
    expect(results.map(({ y }) => [...y!.data])).toEqual([[2], [4, 4], [6, 6, 6]]);
  });
});

describe('what is fed', () => {
  const cases: [string, Record<string, HostTensor>][] = [
    ['an input that is missing', { x: right.x, past: right.past }],
    ['another rank', { ...right, x: f32([2, 3]) }],
    ['another fixed size', { ...right, x: f32([2, 3, 5]) }],
    ['a dynamic size that differs between inputs', { ...right, mask: f32([1]) }],
    ['a size that does not follow from the others', { ...right, past: f32([2, 3]) }],
    ['another element type', { ...right, mask: { type: 'int64', shape: [3], data: new BigInt64Array(3) } }],
    ['another kind of array', { ...right, mask: { type: 'float32', shape: [3], data: new Float64Array(3) } }],
    ['data shorter than its shape', { ...right, mask: { type: 'float32', shape: [3], data: new Float32Array(2) } }],
  ];
  it('is checked before anything runs', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(scores());
    const messages: Record<string, string> = {};
    for (const [title, feeds] of cases) messages[title] = await failure(program.run(feeds));
    expect(messages).toMatchInlineSnapshot(`
      {
        "a dynamic size that differs between inputs": "RunError: input "mask": expected { T: T }, got [1], while T is 3 in input "x"",
        "a size that does not follow from the others": "RunError: input "past": expected { B: B, S: T + 1 }, got [2, 3], where T + 1 is 4",
        "an input that is missing": "RunError: input "mask" was not fed",
        "another element type": "RunError: input "mask": expected float32, got int64",
        "another fixed size": "RunError: input "x": expected { B: B, T: T, M: 4 }, got [2, 3, 5]",
        "another kind of array": "RunError: input "mask": expected a Float32Array for float32, got Float64Array",
        "another rank": "RunError: input "x": expected { B: B, T: T, M: 4 }, got [2, 3]",
        "data shorter than its shape": "RunError: input "mask": shape [3] has 3 elements, the data has 2",
      }
    `);
    expect([...(await program.run(right)).y!.data]).toEqual([5, 5, 5, 5, 5, 5]);
  });
  it('bounds of a slice beyond what is fed fail instead of being clipped', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const x = input('x', { T: 'T' });
    const first = await runtime.compile(lowered({ y: { value: sum(slice(x, 'T', 0, 4), 'T') } }));
    expect([...(await first.run({ x: f32([4]) })).y!.data]).toEqual([4]);
    expect(await failure(first.run({ x: f32([3]) }))).toContain('RunError: running the program failed');
    const last = await runtime.compile(lowered({ y: { value: sum(slice(x, 'T', Dim.of('T').minus(4), 'T'), 'T') } }));
    expect([...(await last.run({ x: f32([6]) })).y!.data]).toEqual([4]);
    expect(await failure(last.run({ x: f32([3]) }))).toContain('RunError: running the program failed');
  });
  it('is not changed, and is not what comes out', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const x = input('x', { T: 'T' });
    const program = await runtime.compile(lowered({ same: { value: x }, y: { value: add(x, 1) } }));
    const fed = f32([3], 2);
    const { same } = await program.run({ x: fed });
    expect([...fed.data]).toEqual([2, 2, 2]);
    expect(same!.data.buffer).not.toBe(fed.data.buffer);
  });
  it('of a past run never shows in a later one', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const x = input('x', { T: 'T', M: 65 });
    const y = softmax(dot(x, rename(x, 'T', 'S'), 'M'), 'S');
    const program = await runtime.compile(lowered({ y: { value: y }, z: { value: dot(y, rename(x, 'T', 'S'), 'S') } }));
    const clean = await program.run({ x: f32([63, 65], 0.5) });
    for (const length of [65, 63, 2]) await program.run({ x: f32([length, 65], Number.NaN) });
    for (const length of [1, 2, 63]) {
      const again = await program.run({ x: f32([length, 65], 0.5) });
      for (const { data } of Object.values(again)) expect([...(data as Float32Array)].some(Number.isNaN)).toBe(false);
      if (length === 63) expect(again).toEqual(clean);
    }
  });
  it('may leave outputs out, and an output that is not there is an error', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(scores());
    expect(Object.keys(await program.run(right, ['z']))).toEqual(['z']);
    expect(await failure(program.run(right, ['none']))).toMatchInlineSnapshot(
      `"RunError: running the program failed: 'fetches' contains invalid output name: none."`,
    );
  });
});

it('threads are a whole number from 1 to 1024', () => {
  expect(() => nodeRuntime({ threads: 0 })).toThrow('threads: expected a whole number from 1 to 1024, got 0');
  expect(() => nodeRuntime({ threads: 1.5 })).toThrow('threads: expected a whole number from 1 to 1024, got 1.5');
});

it('a program that the runtime does not know is an error, and is not kept', async () => {
  await using runtime = nodeRuntime({ threads: 1 });
  const graph = { ...scores(), bytes: new Uint8Array([1, 2, 3]) };
  expect(await failure(runtime.compile(graph))).toContain('RunError: the runtime did not accept the program');
  expect(runtime.sessionCount).toBe(0);
});

it('200 runs leave live memory flat, and the runtime prints nothing of its own', async () => {
  const { result, stderr } = await child<{ live: number; resident: number; error: string }>(
    'steady',
    [],
    ['--expose-gc'],
  );
  expect(result.live).toBeLessThan(1);
  expect(result.resident).toBeLessThan(16);
  expect(result.error).toContain('RunError');
  expect(stderr).toBe('');
});
