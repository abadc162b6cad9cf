import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Runtime } from '../../src/runtime/runtime.ts';
import { add, dot, input, mean, multiply, sigmoid, weight } from '../../src/tensor/index.ts';
import { decoderFromConfig } from '../../src/train/decoder-config.ts';
import { languageModelTask } from '../../src/train/language-model.ts';
import { train } from '../../src/train/loop.ts';
import { type TrainMemory, trainMemory } from '../../src/train/memory.ts';
import { adamW } from '../../src/train/optimizers/adamw.ts';
import { sgd } from '../../src/train/optimizers/sgd.ts';
import { constant } from '../../src/train/schedule.ts';
import { planStep } from '../../src/train/step-plan.ts';
import type { Task } from '../../src/train/task.ts';
import { trainToy } from '../../src/train/toys/train-toy.ts';
import { triggerAveraging } from '../../src/train/toys/trigger-averaging.ts';
import { bundled } from './child.ts';
import { floats } from './support.ts';

const zeros = (_: string, shape: readonly number[]) => new Float32Array(shape.reduce((a, b) => a * b, 1));

/** mean over B of σ(x · w). */
function task(B: number | string = 'B'): Task {
  const x = input('x', { B, M: 1000 });
  return { loss: mean(sigmoid(dot(x, weight('w', { M: 1000 }), 'M')), 'B'), initial: zeros };
}

/** A runtime of so many bytes that must not be asked to compile. */
const machineOf = (memory: number) => {
  const compile = () => Promise.reject(new Error('compiled'));
  return new Runtime({ name: 'none', device: 'cpu', memory, compile }, {});
};

const llama = {
  ...{ model_type: 'llama', hidden_size: 64, intermediate_size: 176, num_hidden_layers: 2 },
  ...{ num_attention_heads: 4, vocab_size: 97, max_position_embeddings: 4096 },
};

describe('the memory of a training step', () => {
  it('counts parameters and what the optimiser keeps of them exactly', () => {
    const bytes = (options: Parameters<typeof planStep>[1]) => {
      const { parameters, slots } = trainMemory(planStep(task(), options), { x: [1, 1000] });
      return [parameters, slots];
    };
    expect(bytes({ optimizer: adamW() })).toEqual([4000, 8000]);
    expect(bytes({ optimizer: sgd({ momentum: 0 }) })).toEqual([4000, 0]);
  });

  it('holds every value from its making to its last use: by hand for a chain of three', () => {
    const x = input('x', { B: 'B' });
    const doubled = multiply(x, multiply(add(x, 1), 3));
    // x + 1 and its triple live together, then the triple and the product: two of 4,000 bytes; the mean is 4 bytes more at the product's side.
    const plan = planStep(task(1), { optimizer: sgd() });
    const alone = trainMemory(plan, { x: [1000] });
    const with_ = trainMemory(plan, { x: [1000] }, [{ doubled }]);
    expect((with_.activations - alone.activations) / 1.25).toBe(2 * 4000);
  });

  it('grows with the batch and with the square of the context, and with accumulation by a second program', () => {
    const optimizer = adamW();
    const decoder = decoderFromConfig(llama);
    const activations = (B: number, T: number, accumulate = 1) =>
      trainMemory(planStep(languageModelTask(decoder, { T }), { optimizer, accumulate }), { ids: [B, T + 1] })
        .activations;
    expect(activations(32, 64) / activations(16, 64)).toBeCloseTo(2, 1);
    const growth = activations(1, 2048) / activations(1, 1024);
    expect(growth).toBeGreaterThan(3.3);
    expect(growth).toBeLessThan(4.1);
    expect(activations(16, 64, 2) / activations(16, 64)).toBeCloseTo(2, 0);
  });

  it.skipIf(!existsSync('/proc/self/status')).each([
    { name: 'a vocabulary of 4,096', V: 4096, M: 64, L: 2, H: 4, F: 176, B: 8, T: 128, steps: 4 },
    {
      name: 'long texts, watched and evaluated',
      V: 258,
      M: 64,
      L: 2,
      H: 4,
      F: 176,
      B: 4,
      T: 512,
      steps: 2,
      watched: true,
    },
    { name: 'wide layers and few tokens', V: 512, M: 384, L: 4, H: 8, F: 1056, B: 1, T: 32, steps: 6 },
    { name: 'two batches an update', V: 4096, M: 64, L: 2, H: 4, F: 176, B: 4, T: 128, steps: 4, accumulate: 2 },
  ])('is within a quarter of the measured peak: $name (where /proc tells it)', async (sizes) => {
    const program = await bundled('peak');
    const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(sizes)]);
    const { ratio } = JSON.parse(stdout) as { ratio: number };
    expect(ratio).toBeGreaterThan(0.75);
    expect(ratio).toBeLessThan(1.25);
  });
});

describe('training beyond the memory there is', () => {
  const options = { task: task(), optimizer: adamW(), steps: 2, schedule: constant({ peak: 1 }) };

  it('tells the estimate and refuses before it compiles or makes anything', async () => {
    const told: TrainMemory[] = [];
    let made = 0;
    const run = train({
      ...options,
      task: { ...task(), initial: (name, shape) => zeros(name, shape.slice(0, ++made)) },
      runtime: machineOf(200e6),
      batches: () => {
        throw new Error('made a batch');
      },
      memory: { tell: (estimate) => told.push(estimate), shapes: { x: [100_000_000, 1000] } },
    });
    await expect(run.next()).rejects.toThrow(
      /^train: a step takes about \d\.\d+ GB of memory, there are 0\.2 GB; use smaller batches \(with accumulate for the same update\), shorter sequences or a smaller model$/,
    );
    expect(told.length).toBe(1);
    expect(told[0]!.total).toBeGreaterThan(4e8);
    expect(made).toBe(0);
  });

  it('looks at the first batch where shapes are not given, and makes no batch twice', async () => {
    const asked: number[] = [];
    const batches = (index: number) => {
      asked.push(index);
      return { x: floats(Array(2000).fill(0), [2, 1000]) };
    };
    await expect(train({ ...options, batches, runtime: machineOf(100e6) }).next()).rejects.toThrow(
      'train: a step takes about 0.12 GB of memory, there are 0.1 GB',
    );
    expect(asked).toEqual([0]);
    await expect(train({ ...options, batches, runtime: machineOf(1e9) }).next()).rejects.toThrow('compiled');
  });

  it('is refused for a toy too, by its name', async () => {
    await expect(trainToy(triggerAveraging({}), machineOf(100e6))).rejects.toThrow(
      /^trigger-averaging: a step takes about 0\.\d+ GB of memory, there are 0\.1 GB/,
    );
  });
});
