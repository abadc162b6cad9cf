import { z } from 'zod';
import type { Toy } from '../train/toys/toy.ts';
import type { ToyResult } from '../train/toys/train-toy.ts';
import { trainToy } from '../train/toys/train-toy.ts';
import type { Experiment } from './experiment.ts';

/** NaN, null in JSON: training diverged. */
const figure = z.union([z.number(), z.nan(), z.null().transform(() => Number.NaN)]);
const figures = z.record(z.string().max(64), figure);
const finite = (value: number) => (Number.isFinite(value) ? value : Number.NaN);
const allFinite = (values: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, finite(value)]));

export const toyResultSchema = z.strictObject({
  /** Loss and metrics, mean over the last ten steps. */
  values: figures,
  /** Before the first update: what an untrained model has. */
  untrained: figures,
  /** Norm of the gradient over all steps. */
  gradientNorm: z.strictObject({ mean: figure, largest: figure }),
  parameters: z.number().int().min(1),
  steps: z.number().int().min(1),
  seconds: z.number().min(0),
});

/** What a trained toy leaves. */
export type ToyFigures = z.infer<typeof toyResultSchema>;

export interface ToyExperimentOptions<S> {
  readonly name: string;
  readonly version: number;
  readonly setting: z.ZodType<S>;
  /** The toy of a setting, and the share of its own steps that is run. */
  readonly toy: (setting: S) => { readonly toy: Toy; readonly share?: number };
  /** More figures, from the trained parameters: generalisation to other lengths, a control at test time. */
  readonly after?: (
    setting: S,
    state: ToyResult['state'],
    context: Parameters<Experiment['run']>[2],
  ) => Promise<Record<string, number>>;
}

/** Trains a toy for each setting: the experiment behind most claims. */
export function toyExperiment<S>(options: ToyExperimentOptions<S>): Experiment<S, ToyFigures> {
  const { name, version, setting: schema, toy: make, after } = options;
  return {
    ...{ name, version, setting: schema, result: toyResultSchema },
    async run(setting, seed, context) {
      const { runtime, signal, progress } = context;
      const { toy, share = 1 } = make(setting);
      const steps = Math.max(1, Math.round(toy.steps * share));
      let untrained: Readonly<Record<string, number>> = {};
      let [total, largest] = [0, 0];
      const { values, seconds, state } = await trainToy({ ...toy, expected: [] }, runtime, {
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
        values: allFinite({ ...values, ...(await after?.(setting, state, context)) }),
        untrained: allFinite(untrained),
        gradientNorm: { mean: finite(total / steps), largest: finite(largest) },
        parameters: [...state.parameters.values()].reduce((sum, { length }) => sum + length, 0),
        ...{ steps, seconds },
      };
    },
  };
}
