import { z } from 'zod';
import { planned } from '../attention/layer-plans.ts';
import { softmaxAttention } from '../attention/mechanisms/softmax.ts';
import { taylorAttention } from '../attention/normalisers/taylor.ts';
import { queryIndependentAttention } from '../attention/query-independent.ts';
import { tokenMlp } from '../attention/token-mlp.ts';
import { deepBackcopy } from '../train/toys/deep-backcopy.ts';
import { associativeRecall, type RecallOptions } from '../train/toys/recall.ts';
import { toyExperiment } from './toy-experiment.ts';

const replacements = {
  taylor: taylorAttention,
  'query-independent': queryIndependentAttention,
  mlp: tokenMlp,
} as const;
const maps = ['embeddings', 'random', 'fixed text'] as const;
const toys = { recall: associativeRecall, backcopy: deepBackcopy } as const;

const settingSchema = z.strictObject({
  toy: z.enum(['recall', 'backcopy']),
  /** What takes the place of standard attention: another mechanism, or maps that come from elsewhere. */
  variant: z.enum(['standard', 'taylor', 'query-independent', 'mlp', ...maps]),
  /** In both layers, or in the first while the second keeps standard attention. */
  plan: z.enum(['uniform', 'even']),
  /** Share of the toy's own steps. */
  share: z.number().positive().max(10),
});

export type DeconstructedSetting = z.infer<typeof settingSchema>;
export type DeconstructedVariant = DeconstructedSetting['variant'];

function optionsOf({ variant, plan }: DeconstructedSetting): RecallOptions {
  if (variant === 'standard') return {};
  if (variant in replacements) {
    const replacement = replacements[variant as keyof typeof replacements]();
    return { mechanism: planned(plan, 2, { standard: softmaxAttention(), replacement }) };
  }
  return { maps: { from: variant as (typeof maps)[number], plan } };
}

/** Two layers with one property of attention taken away (2510.11602), on a task of content and on one of positions alone. */
export const deconstructedToys = toyExperiment<DeconstructedSetting>({
  name: 'deconstructed',
  version: 1,
  setting: settingSchema,
  toy: (setting) => ({ toy: toys[setting.toy](optionsOf(setting)), share: setting.share }),
});
