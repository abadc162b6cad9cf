import { z } from 'zod';
import type { RowSums } from '../attention/mechanism.ts';
import { lightningAttention } from '../attention/mechanisms/lightning-attention.ts';
import { decayRates } from '../attention/positions/decay-rates.ts';
import type { HostTensor } from '../runtime/backend.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { mean, pick, slice, type Within } from '../tensor/index.ts';
import type { TrainState } from '../train/state.ts';
import { type CharacterModelOptions, characterModel, characters, heldOutTexts } from '../train/toys/characters.ts';
import { shares } from '../train/toys/metrics.ts';
import { compileValues } from '../train/values.ts';
import type { ClaimSize } from './claim.ts';
import { toyExperiment } from './toy-experiment.ts';

const arms = ['TNL', 'softmax'] as const;

const settingSchema = z.strictObject({
  arm: z.enum(arms),
  T: z.number().int().min(2).max(512),
  batch: z.number().int().min(1).max(4096),
  steps: z.number().int().min(1).max(1_000_000),
});

export type LightningTextSetting = z.infer<typeof settingSchema>;

/** Both arms at the card's 1,500 steps, or a few for minutes. */
export function lightningTextSettings(size: ClaimSize): Readonly<Record<string, LightningTextSetting>> {
  const shape = size === 'night' ? { T: 128, batch: 32, steps: 1500 } : { T: 64, batch: 16, steps: 250 };
  return Object.fromEntries(arms.map((arm) => [arm, { arm, ...shape }]));
}

/** What differs from the card in every statement. */
export const smallerLightningText =
  'Four layers of width 96 with three heads, on the 47,500 characters that ship, each text after a BOS; held-out figures are of the last tenth. The feed-forward of both keeps SiLU. A night is 1,500 steps of 32 × 128 characters, which know the text by heart; minutes are 250 of 16 × 64.';

const [L, H, M] = [4, 3, 96];

/** The fifth projection of lightning attention, M² a layer, goes into the twin's feed-forward: 3 M (F + M / 3). */
function optionsOf({ arm, T }: LightningTextSetting): CharacterModelOptions {
  const wider = arm === 'TNL' ? 0 : M / 3;
  return {
    ...{ T, bos: true, sizes: { L, H, M, F: 2 * M + wider } },
    ...(arm === 'TNL' ? { mechanism: lightningAttention() } : {}),
  };
}

/** A small TransNormer and a softmax transformer with as many parameters, on characters; without warm-up. */
export const lightningText = toyExperiment<LightningTextSetting>({
  name: 'lightning-text',
  version: 1,
  setting: settingSchema,
  toy(setting) {
    const toy = characters(optionsOf(setting));
    return { toy: { ...toy, warmUp: 0, batch: setting.batch, steps: setting.steps } };
  },
  async after(setting, { parameters }, { runtime }) {
    const options = optionsOf(setting);
    const rows = setting.arm === 'TNL' ? 'any' : 'one';
    const [short, long] = [setting.T, 4 * setting.T];
    // The same characters in both, the rest of the held-out text apart.
    const longTexts = heldOutTexts(long, true);
    const shortTexts = firstRows(heldOutTexts(short, true), 4 * longTexts.ids!.shape[0]!);
    const own = await figuresOf(runtime, options, rows, short, parameters, shortTexts);
    const beyond = await figuresOf(runtime, options, rows, long, parameters, longTexts);
    const excess = own.first.flatMap((heads, layer) => {
      const expected = setting.arm === 'TNL' ? decayShares(layer, short) : new Array<number>(H).fill(uniform(short));
      return heads.map((share, head) => share - expected[head]!);
    });
    return {
      heldOutLoss: own.loss,
      longLoss: beyond.loss,
      drift: beyond.loss - own.loss,
      firstExcess: excess.reduce((a, b) => a + b, 0) / excess.length,
      strongestExcess: Math.max(...excess),
    };
  },
});

async function figuresOf(
  runtime: Runtime,
  options: CharacterModelOptions,
  rows: RowSums,
  length: number,
  parameters: TrainState['parameters'],
  texts: Readonly<Record<string, HostTensor>>,
): Promise<{ readonly loss: number; readonly first: number[][] }> {
  const { losses, patterns } = characterModel(options, length);
  const values: Record<string, Within<string>> = { loss: mean(losses, ['B', 'T']) };
  for (const [layer, pattern] of patterns.entries()) {
    const toFirst = slice(pick(shares(pattern, rows), 'S', 0), 'T', 1, length);
    values[`first${layer}`] = mean(toFirst, ['B', 'R', 'T']);
  }
  const program = await compileValues(runtime, values);
  const found = await program.run(parameters, texts);
  return {
    loss: Number(found.loss!.data[0]),
    first: patterns.map((_, layer) => Array.from(found[`first${layer}`]!.data as Float32Array)),
  };
}

function firstRows(texts: Readonly<Record<string, HostTensor>>, count: number): Record<string, HostTensor> {
  const { type, shape, data } = texts.ids!;
  const width = shape[1]!;
  return { ids: { type, shape: [count, width], data: (data as BigInt64Array).slice(0, count * width) } };
}

const average = (count: number, of: (t: number) => number) =>
  Array.from({ length: count }, (_, i) => of(i + 1)).reduce((a, b) => a + b, 0) / count;

/** Share of key 0 in each head under the decay alone, λ^t / Σ_{s ≤ t} λ^(t−s): mean over the queries after the first. */
export function decayShares(layer: number, T: number): number[] {
  return decayRates('transnormer', { H, layer, layers: L }).map((rate) =>
    average(T - 1, (t) => {
      const weights = Array.from({ length: t + 1 }, (_, lag) => Math.exp(-rate * lag));
      return weights[t]! / weights.reduce((a, b) => a + b, 0);
    }),
  );
}

/** The same where every token counts alike. */
const uniform = (T: number) => average(T - 1, (t) => 1 / (t + 1));
