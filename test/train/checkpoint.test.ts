import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkpointFolder } from '../../src/train/checkpoint-node.ts';
import { type TrainOptions, type TrainProgress, train } from '../../src/train/loop.ts';
import { adamW } from '../../src/train/optimizers/adamw.ts';
import { sgd } from '../../src/train/optimizers/sgd.ts';
import { constant, cosine } from '../../src/train/schedule.ts';
import type { TrainState } from '../../src/train/state.ts';
import { tinyBatch, tinyTask } from './children/tiny.ts';
import { runtimeForTest } from './support.ts';

async function folderForTest(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sinklab-train-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const bytesOf = ({ parameters, slots }: TrainState) =>
  Buffer.concat([...parameters, ...slots].flatMap(([name, values]) => [Buffer.from(name), Buffer.from(values.buffer)]));

const task = tinyTask(16);
const options = (more: Partial<TrainOptions>): TrainOptions => ({
  ...{
    runtime: runtimeForTest(),
    task,
    optimizer: adamW(),
    decay: 0.1,
    clip: 1,
    steps: 10,
    seed: 5,
    tokens: 30,
    data: 'numbers',
  },
  ...{ schedule: constant({ peak: 1e-2, warmup: 3 }), batches: tinyBatch },
  ...more,
});

async function all(more: Partial<TrainOptions>, onStep: (progress: TrainProgress) => void = () => {}) {
  const run = train(options(more));
  for (;;) {
    const next = await run.next();
    if (next.done) return next.value;
    onStep(next.value);
  }
}

describe('a training run', () => {
  it('reports every update with loss, gradient norm, learning rate, speed and what is watched when it is due', async () => {
    const seen: TrainProgress[] = [];
    const state = await all({ watch: { every: 4, values: task.watch } }, (progress) => seen.push(progress));
    expect(seen.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(seen.filter(({ watched }) => watched).map(({ step }) => step)).toEqual([1, 4, 8, 10]);
    expect(seen[0]!.watched!.alpha!.shape).toEqual([2, 2, 4]);
    expect(seen.slice(0, 4).map(({ learningRate }) => learningRate)).toEqual([
      1e-2 * (1 / 3),
      1e-2 * (2 / 3),
      1e-2,
      1e-2,
    ]);
    expect(seen.every((p) => p.loss > 0 && p.gradientNorm > 0 && p.tokensPerSecond > 0)).toBe(true);
    expect(seen.at(-1)!.secondsLeft).toBe(0);
    expect(seen.at(-1)!.state).toBe(state);
  });

  it('saves when it is stopped by a signal or left, and goes on to the same bytes', async () => {
    const whole = await all({});
    const store = checkpointFolder(await folderForTest());
    const stop = new AbortController();
    const first = await all({ save: { store, every: 100 }, signal: stop.signal }, ({ step }) => {
      if (step === 3) stop.abort();
    });
    expect(first.step).toBe(3);
    for await (const { step } of train(options({ save: { store, every: 100 }, resume: true }))) if (step === 7) break;
    const steps: number[] = [];
    const last = await all({ save: { store, every: 100 }, resume: true }, ({ step }) => steps.push(step));
    expect(steps).toEqual([8, 9, 10]);
    expect(bytesOf(last).equals(bytesOf(whole))).toBe(true);
  });

  it('resumes with accumulation at the right batch', async () => {
    const accumulated = { accumulate: 2, steps: 4 };
    const whole = await all(accumulated);
    const store = checkpointFolder(await folderForTest());
    for await (const { step } of train(options({ ...accumulated, save: { store, every: 2 } }))) if (step === 2) break;
    const asked: number[] = [];
    const batches = (index: number) => {
      asked.push(index);
      return tinyBatch(index);
    };
    const last = await all({ ...accumulated, batches, save: { store, every: 2 }, resume: true });
    expect(asked).toEqual([4, 5, 6, 7]);
    expect(bytesOf(last).equals(bytesOf(whole))).toBe(true);
  });

  it('stops with the place when the loss is no number, and keeps the last save', async () => {
    const folder = await folderForTest();
    const store = checkpointFolder(folder);
    const schedule = { ...constant({ peak: 1 }), rate: (step: number) => (step < 4 ? 1e-3 : 1e30) };
    await expect(all({ schedule, optimizer: sgd(), save: { store, every: 2 } })).rejects.toThrow(
      /^train: at step \d the loss is .* try a lower rate, a longer warm-up or clipping\. Nothing was saved since step \d$/,
    );
    expect((await readdir(folder)).at(-1)).toMatch(/^step-0000000[24]$/);
  });

  it('keeps the newest two saves, each complete, and sweeps up what a killed writer left', async () => {
    const folder = await folderForTest();
    await writeFile(join(folder, '.step-00000002.0123456789ab.new.tmp'), 'half');
    await writeFile(join(folder, '.stepwise.0123456789ab.new.tmp'), "another writer's");
    await all({ save: { store: checkpointFolder(folder), every: 2 } });
    expect((await readdir(folder)).sort()).toEqual([
      '.stepwise.0123456789ab.new.tmp',
      'step-00000008',
      'step-00000010',
    ]);
    expect((await readdir(join(folder, 'step-00000010'))).sort()).toEqual(['state.safetensors', 'training.json']);
    const record = JSON.parse(await readFile(join(folder, 'step-00000010/training.json'), 'utf8'));
    expect(record).toEqual({
      ...{ format: 'sinklab training', version: 1, step: 10, batches: 10 },
      settings: {
        ...{ seed: 5, data: 'numbers', accumulate: 1, clip: 1, decay: 0.1 },
        optimizer: { name: 'adamw', settings: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8 } },
        schedule: { name: 'constant', settings: { peak: 1e-2, warmup: 3 } },
      },
    });
  });

  it('refuses to mix runs: an old one that is not resumed, other settings, another task, a damaged record', async () => {
    const folder = await folderForTest();
    const save = { store: checkpointFolder(folder), every: 2 };
    await all({ save, steps: 2 });
    await expect(all({ save })).rejects.toThrow(
      'train: there is a run at step 2 already; resume it, or save to another folder',
    );
    await expect(all({ save, resume: true, schedule: cosine({ peak: 1, steps: 10 }) })).rejects.toThrow(
      'resume: the saved run has schedule {"name":"constant","settings":{"peak":0.01,"warmup":3}}, this one ' +
        '{"name":"cosine","settings":{"end":0.1,"peak":1,"steps":10,"warmup":0}}; give the same settings, or save to another folder',
    );
    await expect(all({ save, resume: true, seed: 6 })).rejects.toThrow('resume: the saved run has seed 5, this one 6');
    await expect(all({ save, resume: true, data: 'letters' })).rejects.toThrow(
      'resume: the saved run has data "numbers", this one "letters"',
    );
    await expect(all({ save, resume: true, task: tinyTask(32) })).rejects.toThrow(
      /state\.safetensors: "parameter model\.\S+" is F32 \[.*\], the task makes it F32 \[.*\]$/,
    );
    await expect(all({ save, resume: true, optimizer: sgd() })).rejects.toThrow(
      /state\.safetensors: there is no "slot momentum model\.\S+"; the folder belongs to another task or optimiser$/,
    );
    await writeFile(join(folder, 'step-00000002/training.json'), '{"format":"sinklab training","version":2}');
    await expect(all({ save, resume: true })).rejects.toThrow(/version 2; this release reads version 1$/);
  });
});
