import { z } from 'zod';
import { bigramBackcopyDirichlet } from '../train/toys/backcopy.ts';
import { mechanismNamed } from './mechanisms/variants.ts';
import { toyExperiment } from './toy-experiment.ts';

const settingSchema = z.strictObject({
  /** Name of the mechanism with its variant. */
  mechanism: z.string().min(1).max(256),
  /** Share of the toy's own steps. */
  share: z.number().positive().max(10),
});

export type DirichletSetting = z.infer<typeof settingSchema>;

/** Bigram/backcopy with learned positions (2410.10781, Toy B) with any mechanism. */
export const dirichletBackcopy = toyExperiment<DirichletSetting>({
  name: 'backcopy-dirichlet',
  version: 1,
  setting: settingSchema,
  toy: ({ mechanism, share }) => ({ toy: bigramBackcopyDirichlet({ mechanism: mechanismNamed(mechanism) }), share }),
});
