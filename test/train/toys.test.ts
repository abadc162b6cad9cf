import { beforeAll, describe, expect, it } from 'vitest';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { bigramBackcopy } from '../../src/train/toys/backcopy.ts';
import { induction } from '../../src/train/toys/induction.ts';
import { associativeRecall } from '../../src/train/toys/recall.ts';
import type { Toy } from '../../src/train/toys/toy.ts';
import { type ToyResult, type TrainToyOptions, trainToy } from '../../src/train/toys/train-toy.ts';
import { triggerAveraging } from '../../src/train/toys/trigger-averaging.ts';

const trained = async (toy: Toy, options: TrainToyOptions): Promise<ToyResult> => {
  await using runtime = nodeRuntime({ threads: 1 });
  return await trainToy(toy, runtime, options);
};

describe('trigger-conditional averaging, 300 steps', () => {
  let withBos: ToyResult;
  beforeAll(async () => {
    withBos = await trained(triggerAveraging(), { steps: 300 });
  });

  it('rests on BOS where nothing is to be said, and looks away from it at triggers', () => {
    expect(withBos.values.firstElsewhere).toBeGreaterThan(0.95);
    expect(withBos.values.firstAtTriggers).toBeLessThan(0.05);
    expect(withBos.values.loss).toBeLessThan(0.002);
    expect(withBos.verdicts.map(({ metric, shown }) => [metric, shown])).toEqual([
      ['firstElsewhere', true],
      ['firstAtTriggers', true],
      ['loss', true],
    ]);
  });

  it('finds no place to rest without BOS, and fails at its task', async () => {
    const { values, verdicts } = await trained(triggerAveraging({ bos: false }), { steps: 300 });
    expect(values.firstElsewhere).toBeLessThan(0.3);
    expect(values.loss).toBeGreaterThan(10 * withBos.values.loss!);
    expect(verdicts).toMatchObject([{ metric: 'loss', shown: true }]);
  });
});

describe('bigram-backcopy', () => {
  it('has a sink on BOS after 500 steps, and none at triggers', async () => {
    const { values } = await trained(bigramBackcopy(), { steps: 500 });
    expect(values.firstElsewhere).toBeGreaterThan(0.3);
    expect(values.firstAtTriggers).toBeLessThan(0.05);
    expect(values.triggerLoss).toBeLessThan(0.5);
  });
});

describe('toys with two layers', () => {
  it('recall answers far better than chance (1 in 12) after 150 steps', async () => {
    const { values } = await trained({ ...associativeRecall(), batch: 32 }, { steps: 150 });
    expect(values.accuracy).toBeGreaterThan(0.5);
  });

  it('induction copies the second half after 100 steps, and not before it has learnt anything', async () => {
    const toy = { ...induction(), batch: 32 };
    const [fresh, learnt] = [await trained(toy, { steps: 2 }), await trained(toy, { steps: 100 })];
    expect(fresh.values.accuracy).toBeLessThan(0.1);
    expect(fresh.values.loss).toBeGreaterThan(0.9 * Math.log(33));
    expect(learnt.values.accuracy).toBeGreaterThan(0.5);
  });
});

describe('a seed', () => {
  it('gives the same figures twice, another seed gives others', async () => {
    const figures = async (seed: number) => {
      const { values, state } = await trained(triggerAveraging(), { steps: 15, seed });
      return { values, parameters: [...state.parameters] };
    };
    const [first, second, other] = [await figures(1), await figures(1), await figures(2)];
    expect(second).toEqual(first);
    expect(other.values.loss).not.toBe(first.values.loss);
  });
});
