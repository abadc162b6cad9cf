import { z } from 'zod';
import { affineScaled } from '../attention/mechanisms/affine-scaled-attention.ts';
import { softmaxAttention } from '../attention/mechanisms/softmax.ts';
import { bigramBackcopy } from '../train/toys/backcopy.ts';
import { toyExperiment } from './toy-experiment.ts';

const arms = {
  softmax: softmaxAttention,
  fixed: () => affineScaled(),
  'scale only': () => affineScaled({ length: 'none' }),
  causal: () => affineScaled({ length: 'causal' }),
} as const;

export const affineArms = Object.keys(arms) as [keyof typeof arms, ...(keyof typeof arms)[]];

const settingSchema = z.strictObject({
  /** What N is; softmax for comparison. */
  arm: z.enum(affineArms),
  /** Share of the toy's own steps. */
  share: z.number().positive().max(10),
});

/** Bigram-backcopy with affine-scaled weights (2602.23057): the weights themselves, which may be negative, count, not shares of them. */
export const affineBackcopy = toyExperiment<z.infer<typeof settingSchema>>({
  name: 'affine-backcopy',
  version: 1,
  setting: settingSchema,
  toy: ({ arm, share }) => ({ toy: bigramBackcopy({ mechanism: arms[arm]() }), share }),
});
