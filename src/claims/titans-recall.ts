import { z } from 'zod';
import {
  type MemoryVariantOptions,
  titansContext,
  titansGate,
  titansLayer,
  titansMemory,
  titansWindow,
} from '../attention/mechanisms/titans.ts';
import { seededRandom, seedFor } from '../random.ts';
import { type FillerRecallOptions, fillerRecall } from '../train/toys/filler-recall.ts';
import { compileValues } from '../train/values.ts';
import { fillerSizes, resized } from './filler-recall.ts';
import { toyExperiment } from './toy-experiment.ts';

export const memoryArms = ['LMM', 'MAG', 'MAC', 'MAL'] as const;

const settingSchema = z.strictObject({
  /** Window attention alone, memory alone, and memory as gate, context and layer. */
  arm: z.enum(['window', ...memoryArms]),
  /** L_M of the memory: a matrix without norm and residual, with θ up to 0.25, or the published two layers with θ up to 0.1. */
  depth: z.literal([1, 2]),
  /** How often the pairs are told, each time with other values. */
  told: z.number().int().min(1).max(4),
  /** Does the memory forget (α)? */
  forgetting: z.boolean(),
  ...fillerSizes,
});
export type TitansRecallSetting = z.infer<typeof settingSchema>;

const chunk = 8;

const networks: Readonly<Record<TitansRecallSetting['depth'], MemoryVariantOptions>> = {
  1: { layers: 1, norm: false, residual: false, maximumStep: 0.25 },
  2: {},
};

/** What the memory is kept from, after training, in each control. */
const controls: Readonly<Record<string, (tokens: number) => MemoryVariantOptions>> = {
  Still: () => ({ learning: false }),
  Reset: (tokens) => ({ reset: chunk * Math.round(tokens / 2 / chunk) }),
  Shuffled: () => ({ shuffled: true }),
};

/** Windows and segments of an eighth of the text; half of it lies between the pairs and the questions, beyond two windows. */
function optionsOf({ arm, tokens, pairs, joined, told, forgetting, depth }: TitansRecallSetting, control?: string) {
  const window = Math.ceil(tokens / 8);
  const memory = { chunk, forgetting, ...networks[depth], ...(control ? controls[control]!(tokens) : {}) };
  const mechanism = {
    window: () => titansWindow({ window }),
    LMM: () => titansMemory(memory),
    MAG: () => titansGate({ ...memory, window }),
    MAC: () => titansContext({ ...memory, window }),
    MAL: () => titansLayer({ ...memory, window }),
  }[arm]();
  return {
    ...{ tokens, pairs, joined, told, mechanism, heads: 4 },
    gap: tokens >> 1,
    far: tokens >> 1,
  } satisfies FillerRecallOptions;
}

/**
 * Window attention and the memories of Titans (2501.00663) on recall beyond the window. Of trained memories also accuracyStill (θ = 0),
 * accuracyReset (set back between the facts and the questions) and accuracyShuffled (keys learnt with the values of other tokens).
 */
export const titansRecall = toyExperiment<TitansRecallSetting>({
  name: 'titans-recall',
  version: 1,
  setting: settingSchema,
  toy: (setting) => ({ toy: resized(fillerRecall(optionsOf(setting)), setting) }),
  async after(setting, { parameters }, { runtime }): Promise<Record<string, number>> {
    if (setting.arm === 'window') return {};
    const texts = fillerRecall(optionsOf(setting)).sample(seededRandom(seedFor(0, 'texts for the controls')), 64);
    const found: Record<string, number> = {};
    for (const control of Object.keys(controls)) {
      const { accuracy } = fillerRecall(optionsOf(setting, control)).task().metrics!;
      const program = await compileValues(runtime, { accuracy: accuracy! });
      found[`accuracy${control}`] = Number((await program.run(parameters, texts)).accuracy.data[0]);
    }
    return found;
  },
});
