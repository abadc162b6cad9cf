import { z } from 'zod';
import {
  absolute,
  cast,
  divide,
  highest,
  less,
  mean,
  multiply,
  pick,
  power,
  scalar,
  subtract,
  type Tensor,
  type Within,
} from '../tensor/index.ts';
import { characterModel, characters, heldOutTexts } from '../train/toys/characters.ts';
import { compileValues } from '../train/values.ts';
import { mechanismNamed } from './mechanisms/variants.ts';
import { toyExperiment } from './toy-experiment.ts';

const settingSchema = z.strictObject({
  /** Name of the mechanism with its variant. */
  mechanism: z.string().min(1).max(256),
  layers: z.number().int().min(1).max(8),
  /** Share of the toy's own steps. */
  share: z.number().positive().max(10),
});

type Setting = z.infer<typeof settingSchema>;

const T = 64;
const optionsOf = ({ mechanism, layers: L }: Setting) =>
  ({ mechanism: mechanismNamed(mechanism), sizes: { L, H: 4, M: 64 }, bos: true, T }) as const;

/**
 * Outliers in the residual of a character model after BOS (2306.12929). After training, on held-out texts: heldOutLoss; sinkRate, the share
 * of heads and texts whose mean attention to BOS is above 0.3; largest |h| and kurtosis of the residual behind the layer that has most.
 */
export const residualOutliers = toyExperiment<Setting>({
  name: 'residual-outliers',
  version: 1,
  setting: settingSchema,
  toy: (setting) => ({ toy: characters(optionsOf(setting)), share: setting.share }),
  async after(setting, { parameters }, { runtime }) {
    const { losses, patterns, streams } = characterModel(optionsOf(setting), T);
    const each = <A extends string>(name: string, list: readonly Tensor<A>[], of: (x: Tensor<A>) => Tensor<never>) =>
      Object.fromEntries(list.map((x, i) => [`${name}${i}`, of(x)]));
    const values = await compileValues(runtime, {
      loss: mean(losses, ['B', 'T']),
      ...each('sink', patterns, sinkRate),
      ...each('largest', streams, (x) => highest(absolute(x), ['B', 'T', 'M']) as Tensor<never>),
      ...each('kurtosis', streams, kurtosis),
    } as Record<string, Within<string>>);
    const found = await values.run(parameters, heldOutTexts(T, true));
    const all = (name: string) =>
      Array.from({ length: setting.layers }, (_, layer) => Number(found[`${name}${layer}`]!.data[0]));
    return {
      heldOutLoss: Number(found.loss!.data[0]),
      sinkRate: all('sink').reduce((a, b) => a + b, 0) / setting.layers,
      largest: Math.max(...all('largest')),
      kurtosis: Math.max(...all('kurtosis')),
    };
  },
});

function sinkRate(pattern: Tensor<'B' | 'G' | 'R' | 'T' | 'S'>): Tensor<never> {
  const alpha = mean(pick(pattern, 'S', 0), 'T');
  return mean(cast(less(scalar(0.3), alpha) as typeof alpha, 'float32'), ['B', 'G', 'R']) as Tensor<never>;
}

/** E[(h − E h)⁴] / E[(h − E h)²]² over everything: 3 for normal numbers. */
function kurtosis(x: Tensor<'B' | 'T' | 'M'>): Tensor<never> {
  const over = ['B', 'T', 'M'] as const;
  const squares = power(subtract(x, mean(x, over) as Tensor<never>), 2) as typeof x;
  const variance = mean(squares, over) as Tensor<never>;
  return divide(mean(multiply(squares, squares), over) as Tensor<never>, multiply(variance, variance));
}
