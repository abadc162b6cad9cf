import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { add, dot, gather, input, mean, multiply, stopGradient, type Tensor, weight } from '../../src/tensor/index.ts';
import { languageModelTask } from '../../src/train/language-model.ts';
import { adamW } from '../../src/train/optimizers/adamw.ts';
import { muon } from '../../src/train/optimizers/muon.ts';
import { sgd } from '../../src/train/optimizers/sgd.ts';
import { initialState, type TrainState } from '../../src/train/state.ts';
import { compileStep } from '../../src/train/step.ts';
import type { Task } from '../../src/train/task.ts';
import { compileValues } from '../../src/train/values.ts';
import { furthest } from '../models/support.ts';
import { bundled } from './child.ts';
import { floats, idsOf, llama, runtimeForTest, someBatch } from './support.ts';

const ones = (_: string, shape: readonly number[]) => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1);

const bytesOf = ({ parameters, slots }: TrainState) =>
  Buffer.concat(
    [...parameters.values(), ...slots.values()].map((values) =>
      Buffer.from(values.buffer, values.byteOffset, values.byteLength),
    ),
  );

/** mean over B of (w · x − y)². */
function regression(): Task {
  const difference = add(
    dot(input('x', { B: 'B', M: 3 }), weight('w', { M: 3 }), 'M'),
    multiply(input('y', { B: 'B' }), -1),
  );
  return { loss: mean(multiply(difference, difference), 'B'), metrics: { difference }, initial: ones };
}

describe('a training step', () => {
  it('is forward, backward and update: one step of plain gradient descent by hand', async () => {
    const task = regression();
    const optimizer = sgd({ momentum: 0 });
    const step = await compileStep(runtimeForTest(), task, { optimizer });
    const feeds = { x: floats([1, 2, 3, 0, 1, 0], [2, 3]), y: floats([4, 3], [2]) };
    const { state, loss, gradientNorm, metrics } = await step.run(initialState(task, optimizer, 0), feeds, 0.5);
    // w·x − y = [2, −2]; loss 4; gradient 2/2 · (2 x₁ − 2 x₂) = [2, 2, 6]
    expect([loss, [...metrics.difference!.data]]).toEqual([4, [2, -2]]);
    expect(gradientNorm).toBeCloseTo(Math.sqrt(44), 5);
    expect([...state.parameters.get('w')!]).toEqual([0, 0, -2]);
    expect([state.step, state.slots.size]).toEqual([1, 0]);
  });

  it('clips the gradient of all parameters together to its norm, and leaves a shorter one alone', async () => {
    const task = regression();
    const optimizer = sgd({ momentum: 0 });
    const runtime = runtimeForTest();
    const feeds = { x: floats([1, 2, 3, 0, 1, 0], [2, 3]), y: floats([4, 3], [2]) };
    const clipped = async (clip: number) => {
      const step = await compileStep(runtime, task, { optimizer, clip });
      return (await step.run(initialState(task, optimizer, 0), feeds, 1)).state.parameters.get('w')!;
    };
    const norm = Math.sqrt(44);
    expect(furthest(await clipped(0.5), [1 - 1 / norm, 1 - 1 / norm, 1 - 3 / norm])).toBeLessThan(1e-6);
    expect([...(await clipped(100))]).toEqual([-1, -1, -5]);
  });

  it('updates a weight that is used twice under one name once, with the sum of its gradients', async () => {
    const optimizer = sgd({ momentum: 0 });
    const ids = input('ids', { B: 'B' }, 'int64');
    const table = () => weight('table', { V: 2, M: 2 });
    const rows = gather(table(), ids, 'V');
    const task: Task = { loss: mean(dot(rows, table(), 'M') as Tensor<'B' | 'V'>, ['B', 'V']), initial: ones };
    const step = await compileStep(runtimeForTest(), task, { optimizer });
    expect(step.parameters.map(({ name, role }) => [name, role])).toEqual([['table', 'table']]);
    const { state } = await step.run(initialState(task, optimizer, 0), { ids: idsOf([1], [1]) }, 1);
    // Both uses: row 1 as looked up gets ½ (t₀ + t₁) = 1, and each row as multiplied ½ t₁ = ½.
    expect([...state.parameters.get('table')!]).toEqual([0.5, 0.5, -0.5, -0.5]);
  });

  it('sets buffers to their next value and does not train them', async () => {
    const running = weight('running', { M: 3 });
    const x = input('x', { B: 'B', M: 3 });
    const off = add(dot(add(x, multiply(stopGradient(running), -1)), weight('w', { M: 3 }), 'M'), -1);
    const buffers = { running: add(multiply(running, 0.5), multiply(mean(x, 'B'), 0.5)) as Tensor<string> };
    const task: Task = { loss: mean(multiply(off, off), 'B'), buffers, initial: ones };
    const optimizer = sgd({ momentum: 0 });
    const step = await compileStep(runtimeForTest(), task, { optimizer, decay: 0.1 });
    const feeds = { x: floats([1, 2, 3, 3, 2, 5], [2, 3]) };
    const { state } = await step.run(initialState(task, optimizer, 0), feeds, 0.1);
    expect([...state.parameters.get('running')!]).toEqual([1.5, 1.5, 2.5]);
    // (x − 1) · w − 1 = [2, 6]; gradient 2/2 · (2 (x₁ − 1) + 6 (x₂ − 1)) = [12, 8, 28]; decay takes 0.01
    expect(furthest(state.parameters.get('w')!, [0.99 - 1.2, 0.99 - 0.8, 0.99 - 2.8])).toBeLessThan(1e-6);
    const other = { ...task, buffers: { elsewhere: running as Tensor<string> } };
    await expect(compileStep(runtimeForTest(), other, { optimizer })).rejects.toThrow(
      'task: buffer elsewhere is no weight that the loss reads, so its next value would go nowhere',
    );
  });

  it('leaves parameters that are not trainable as they are, and keeps no slots for the update of them', async () => {
    const model = await llama();
    const task = languageModelTask(model.decoder);
    const optimizer = adamW();
    const trainable = ({ name }: { name: string }) => name === 'model.norm.weight';
    const step = await compileStep(model.runtime, task, { optimizer, trainable });
    const before = initialState(task, optimizer, 1);
    const { state } = await step.run(before, someBatch(0), 0.1);
    const changed = [...state.parameters].filter(
      ([name, values]) => furthest(values, before.parameters.get(name)!) > 0,
    );
    expect(changed.map(([name]) => name)).toEqual(['model.norm.weight']);
  });

  it('gives the update of one batch of six from three of two', async () => {
    const model = await llama();
    const task = languageModelTask(model.decoder);
    const optimizer = adamW();
    const options = { optimizer, decay: 0.1, clip: 1 };
    const whole = await compileStep(model.runtime, task, options);
    const parts = await compileStep(model.runtime, task, { ...options, accumulate: 3 });
    const ids = someBatch(1, 6, 9).ids;
    const pieces = [0, 1, 2].map((i) => ({
      ids: idsOf([...(ids.data as BigInt64Array)].slice(18 * i, 18 * i + 18).map(Number), [2, 9]),
    }));
    const start = initialState(task, optimizer, 1);
    const [a, b] = [await whole.run(start, { ids }, 1e-3), await parts.run(start, pieces, 1e-3)];
    expect(Math.abs(a.loss - b.loss)).toBeLessThan(1e-6);
    expect(Math.abs(a.gradientNorm - b.gradientNorm)).toBeLessThan(1e-6);
    for (const [name, values] of a.state.slots) {
      expect(furthest(values, b.state.slots.get(name)!), name).toBeLessThan(1e-6);
      expect(Math.max(...values.map(Math.abs)), name).toBeGreaterThan(0);
    }
  });

  it.each([1, 2])('gives the same bytes from the same seed, and others from another (%i threads)', async (threads) => {
    const model = await llama();
    const task = languageModelTask(model.decoder);
    const optimizer = muon();
    const trained = async (seed: number) => {
      const runtime = runtimeForTest(threads);
      const step = await compileStep(runtime, task, { optimizer, decay: 0.1, clip: 1 });
      let state = initialState(task, optimizer, seed);
      for (let i = 0; i < 5; i++) ({ state } = await step.run(state, someBatch(i), 1e-2));
      return bytesOf(state);
    };
    const [first, second, other] = [await trained(3), await trained(3), await trained(4)];
    expect(first.equals(second)).toBe(true);
    expect(first.equals(other)).toBe(false);
  });

  it('writes into nothing it is given', async () => {
    const model = await llama();
    const task = languageModelTask(model.decoder);
    const optimizer = adamW();
    const step = await compileStep(model.runtime, task, { optimizer, decay: 0.1, clip: 1, accumulate: 2 });
    const { state } = await step.run(initialState(task, optimizer, 1), [someBatch(0), someBatch(1)], 1e-3);
    const before = Buffer.from(bytesOf(state));
    const feeds = [someBatch(2), someBatch(3)];
    await step.run(state, feeds, 1e-3);
    expect(bytesOf(state).equals(before)).toBe(true);
    expect(feeds).toEqual([someBatch(2), someBatch(3)]);
  });

  it('learns: fifty steps on one batch take the loss from chance to under a tenth of it', async () => {
    const model = await llama();
    const task = languageModelTask(model.decoder);
    const optimizer = adamW();
    const step = await compileStep(model.runtime, task, { optimizer, clip: 1 });
    let state = initialState(task, optimizer, 1);
    const losses: number[] = [];
    for (let i = 0; i < 50; i++) {
      const result = await step.run(state, someBatch(0), 1e-2);
      losses.push(result.loss);
      state = result.state;
    }
    expect(Math.abs(losses[0]! - Math.log(97))).toBeLessThan(0.1);
    expect(losses.at(-1)!).toBeLessThan(0.1 * Math.log(97));
  });

  it('evaluates the parameters as they are, without an update', async () => {
    const model = await llama();
    const task = languageModelTask(model.decoder, { counted: true });
    const optimizer = adamW();
    const step = await compileStep(model.runtime, task, { optimizer });
    const evaluation = await compileValues(model.runtime, task.evaluation);
    const start = initialState(task, optimizer, 1);
    const counted = floats([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], [2, 8]);
    const { loss, perToken } = await evaluation.run(start.parameters, { ...someBatch(0), counted });
    const [first, eighth] = [perToken.data[0] as number, perToken.data[7] as number];
    expect(Math.abs((loss.data[0] as number) - (first + eighth) / 2)).toBeLessThan(1e-6);
    const updated = await step.run(start, { ...someBatch(0), counted }, 1e-3);
    expect(Math.abs(updated.loss - (first + eighth) / 2)).toBeLessThan(1e-5);
  });

  it('keeps its live bytes flat over fifty steps', async () => {
    const program = await bundled('steady');
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program]);
    const result = JSON.parse(stdout) as { live: number; resident: number; state: number };
    expect(result.state).toBeGreaterThan(20);
    expect(result.live).toBeLessThan(0.2 * result.state);
    // Arrays of past steps wait for the next collection: a few states, not fifty.
    expect(result.resident).toBeLessThan(5 * result.state);
  });

  it('says what does not fit', async () => {
    const task = regression();
    const runtime = runtimeForTest();
    const start = initialState(task, sgd(), 0);
    const step = await compileStep(runtime, task, { optimizer: adamW() });
    const feeds = { x: floats([1, 2, 3], [1, 3]), y: floats([4], [1]) };
    await expect(step.run(start, feeds, 1)).rejects.toThrow(
      'training state: there is no slot "m w"; was it made by another task or optimiser?',
    );
    await expect(step.run(start, feeds, Number.NaN)).rejects.toThrow(
      'step 1: expected a learning rate of at least 0, got NaN',
    );
    await expect(step.run(start, [feeds, feeds], 1)).rejects.toThrow(
      'step 1: expected as many batches as accumulate says, 1, got 2',
    );
    await expect(compileStep(runtime, task, { optimizer: sgd(), clip: 0 })).rejects.toThrow(
      'compileStep: clip must be a number above 0, got 0',
    );
    await expect(compileStep(runtime, task, { optimizer: sgd(), decay: -1 })).rejects.toThrow(
      'weight decay of w: expected a number of at least 0, got -1',
    );
  });
});
