import { z } from 'zod';
import { bigramBackcopy } from '../../train/toys/backcopy.ts';
import { associativeRecall } from '../../train/toys/recall.ts';
import type { Toy } from '../../train/toys/toy.ts';
import { trainToy } from '../../train/toys/train-toy.ts';
import { triggerAveraging } from '../../train/toys/trigger-averaging.ts';
import type { Experiment } from '../experiment.ts';
import { mechanismNamed } from './variants.ts';

/** The toys of the comparison, each with any mechanism. */
const toys = {
  'bigram-backcopy': bigramBackcopy,
  'trigger-averaging': triggerAveraging,
  'associative-recall': associativeRecall,
} as const;

export type ToyName = keyof typeof toys;
export const toyNames = Object.keys(toys) as [ToyName, ...ToyName[]];

/** A toy with softmax attention. */
export const toyOf = (name: ToyName): Toy => toys[name]();

const settingSchema = z.strictObject({
  toy: z.enum(toyNames),
  /** Name of the mechanism with its variant. */
  mechanism: z.string().min(1).max(256),
  /** Share of the toy's own steps. */
  share: z.number().positive().max(10),
});

export type ComparisonSetting = z.infer<typeof settingSchema>;

const figures = z.record(z.string().max(64), z.number());
const resultSchema = z.strictObject({
  /** Mean over the last ten steps. */
  values: figures,
  /** Before the first update: what an untrained model has. */
  untrained: figures,
  /** Mean and largest norm of the gradient over all steps. */
  gradientNorm: z.strictObject({ mean: z.number(), largest: z.number() }),
  parameters: z.number().int().min(1),
  steps: z.number().int().min(1),
  seconds: z.number().min(0),
});

export type ComparisonResult = z.infer<typeof resultSchema>;

/** Trains one toy with one mechanism. */
export const mechanismComparison: Experiment<ComparisonSetting, ComparisonResult> = {
  name: 'mechanisms',
  version: 1,
  setting: settingSchema,
  result: resultSchema,
  async run({ toy: name, mechanism, share }, seed, { runtime, signal, progress }) {
    const toy: Toy = { ...toys[name]({ mechanism: mechanismNamed(mechanism) }), expected: [] };
    const steps = Math.max(1, Math.round(toy.steps * share));
    let untrained: Readonly<Record<string, number>> = {};
    let [total, largest] = [0, 0];
    const { values, seconds, state } = await trainToy(toy, runtime, {
      ...{ seed, steps },
      ...(signal ? { signal } : {}),
      progress(step, found, { gradientNorm }) {
        if (step === 1) untrained = found;
        total += gradientNorm;
        largest = Math.max(largest, gradientNorm);
        if (step % 20 === 0) progress?.(step / steps);
      },
    });
    return {
      values: { ...values },
      untrained: { ...untrained },
      gradientNorm: { mean: total / steps, largest },
      parameters: [...state.parameters.values()].reduce((sum, { length }) => sum + length, 0),
      ...{ steps, seconds },
    };
  },
};
