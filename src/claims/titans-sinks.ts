import { z } from 'zod';
import { titansWindow } from '../attention/mechanisms/titans.ts';
import { bigramBackcopy } from '../train/toys/backcopy.ts';
import { toyExperiment } from './toy-experiment.ts';

const settingSchema = z.strictObject({
  /** N_p, learned tokens in front of the window. */
  persistent: z.number().int().min(0).max(64),
  /** Share of the toy's own steps. */
  share: z.number().positive().max(10),
});

/** Longer than the toy's texts, so that the window begins at BOS for every query. */
const window = 64;

/** Bigram-backcopy in a window behind persistent tokens (2501.00663): attention to the window's first token, and to those in front of it. */
export const titansSinks = toyExperiment<z.infer<typeof settingSchema>>({
  name: 'titans-sinks',
  version: 1,
  setting: settingSchema,
  toy: ({ persistent, share }) => ({
    toy: bigramBackcopy({ mechanism: titansWindow({ persistent, window }) }),
    share,
  }),
});
