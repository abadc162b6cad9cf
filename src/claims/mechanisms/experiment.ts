import { z } from 'zod';
import { bigramBackcopy, bigramBackcopyDirichlet } from '../../train/toys/backcopy.ts';
import { associativeRecall } from '../../train/toys/recall.ts';
import type { Toy } from '../../train/toys/toy.ts';
import { triggerAveraging } from '../../train/toys/trigger-averaging.ts';
import { type ToyFigures, toyExperiment } from '../toy-experiment.ts';
import { type ToyName, toyNames } from './toy-names.ts';
import { mechanismNamed } from './variants.ts';

const toys = {
  'bigram-backcopy': bigramBackcopy,
  'bigram-backcopy-dirichlet': bigramBackcopyDirichlet,
  'trigger-averaging': triggerAveraging,
  'associative-recall': associativeRecall,
} as const satisfies Record<ToyName, unknown>;

/** A toy with softmax attention. */
export const toyOf = (name: ToyName): Toy => toys[name]();

const settingSchema = z.strictObject({
  toy: z.enum(toyNames),
  /** Name of the mechanism with its variant. */
  mechanism: z.string().min(1).max(256),
  /** Share of the toy's own steps. */
  share: z.number().positive().max(10),
  /** Without BOS: only where the toy can be had so. Default: with. */
  bos: z.exactOptional(z.literal(false)),
});

export type ComparisonSetting = z.infer<typeof settingSchema>;
export type ComparisonResult = ToyFigures;

/** Trains one toy with one mechanism. */
export const mechanismComparison = toyExperiment<ComparisonSetting>({
  name: 'mechanisms',
  version: 1,
  setting: settingSchema,
  toy: ({ toy, mechanism, share, bos }) => ({
    toy: toys[toy]({ mechanism: mechanismNamed(mechanism), ...(bos === undefined ? {} : { bos }) }),
    share,
  }),
});
