import { z } from 'zod';
import { seededRandom, seedFor } from '../random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TrainState } from '../train/state.ts';
import { headPatterns } from '../train/toys/in-context-circuits.ts';
import { type RegressionText, regressionSetting, regressionText } from '../train/toys/in-context-data.ts';
import {
  debiasedGradientDescent,
  gradientDescent,
  linearAttention,
  type Predictor,
  reducedHeads,
  ridge,
  risk,
} from '../train/toys/in-context-predictors.ts';
import { bestStep } from '../train/toys/in-context-reduced-loss.ts';
import { inContextRegression } from '../train/toys/in-context-regression.ts';
import { compileValues } from '../train/values.ts';
import { toyExperiment } from './toy-experiment.ts';

/** Examples of a text that the trained heads are tested on; they learn with 40. */
export const testedLengths = [20, 40, 80, 160, 320] as const;

const settingSchema = z.strictObject({
  heads: z.number().int().min(1).max(8),
  /** Do labels depend on the covariates? */
  labels: z.enum(['linear', 'noise']),
  steps: z.number().int().min(1).max(1_000_000),
  learningRate: z.number().positive().max(1),
  /** Texts of each length that risks are taken over. */
  texts: z.number().int().min(1).max(1_000_000),
});
export type RegressionClaimSetting = z.infer<typeof settingSchema>;

const optionsOf = ({ heads, labels }: RegressionClaimSetting, examples = 40) => ({
  ...{ heads, examples },
  ...(labels === 'noise' ? { signal: 0 } : {}),
});

/** Texts held at once. */
const part = 500;

/**
 * In-context linear regression (2503.12734) with a few heads. After training: omega, mu of each head; muTotal = |Σ μ|; and mean squared errors
 * on texts of L examples, all on the same texts: riskL of the model, linearL of linear attention with a fixed 1/40; at 40 examples also ridge,
 * descent, debiased, and reduced, the model's heads taken for two numbers each.
 */
export const inContextRegressionClaim = toyExperiment<RegressionClaimSetting>({
  name: 'in-context-regression',
  version: 1,
  setting: settingSchema,
  toy: (setting) => {
    const { steps, learningRate } = setting;
    return { toy: { ...inContextRegression(optionsOf(setting)), steps, learningRate } };
  },
  async after(setting, { parameters }, { runtime }) {
    const { features, examples, noise } = regressionSetting();
    const heads = headPatterns(parameters, { heads: setting.heads, features });
    const [omega, mu] = [heads.map((head) => head.omega), heads.map((head) => head.mu[0]![0]!)];
    const step = bestStep({ features, examples, noise });
    const found: Record<string, number> = {
      ...Object.fromEntries(heads.flatMap((_, h) => [[`omega${h + 1}`, omega[h]!] as const, [`mu${h + 1}`, mu[h]!]])),
      muTotal: Math.abs(mu.reduce((a, b) => a + b, 0)),
    };
    if (setting.labels === 'noise') return found;
    for (const length of testedLengths) {
      const predictors: Record<string, Predictor> = {
        [`linear${length}`]: linearAttention(step, examples),
        ...(length === examples
          ? {
              ridge: ridge(noise * features),
              descent: gradientDescent(step),
              debiased: debiasedGradientDescent(step),
              reduced: reducedHeads(omega, mu),
            }
          : {}),
      };
      Object.assign(found, await risks(setting, length, { parameters, runtime, predictors }));
    }
    return found;
  },
});

/** Mean squared errors of the trained model and of other predictors on texts of a length, part by part. */
async function risks(
  setting: RegressionClaimSetting,
  length: number,
  given: {
    readonly parameters: TrainState['parameters'];
    readonly runtime: Runtime;
    readonly predictors: Readonly<Record<string, Predictor>>;
  },
): Promise<Record<string, number>> {
  const { parameters, runtime, predictors } = given;
  const toy = inContextRegression(optionsOf(setting, length));
  const model = await compileValues(runtime, { loss: toy.task().loss });
  const totals: Record<string, number> = {};
  const take = (name: string, error: number, count: number) => {
    totals[name] = (totals[name] ?? 0) + (error * count) / setting.texts;
  };
  for (let from = 0; from < setting.texts; from += part) {
    const count = Math.min(part, setting.texts - from);
    // The toy draws the same texts from the same random source.
    const random = () => seededRandom(seedFor(0, 'texts of', length, from));
    const { loss } = await model.run(parameters, toy.sample(random(), count));
    take(`risk${length}`, Number(loss.data[0]), count);
    const [drawn, data] = [random(), regressionSetting({ examples: length })];
    const texts: RegressionText[] = Array.from({ length: count }, () => regressionText(drawn, data));
    for (const [name, predict] of Object.entries(predictors)) take(name, risk(predict, texts), count);
  }
  return totals;
}
