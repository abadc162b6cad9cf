import { z } from 'zod';
import { type DynamicMaskOptions, dynamicMaskAttention } from '../attention/mechanisms/dynamic-mask-attention.ts';
import { rawTokenScores, type ScoreHeads, tokenScores } from '../attention/selection/dynamic-mask.ts';
import { seededRandom, seedFor } from '../random.ts';
import type { Tensor } from '../tensor/index.ts';
import { type FillerRecallOptions, fillerRecall, M, words } from '../train/toys/filler-recall.ts';
import type { Stacked } from '../train/toys/stack.ts';
import { compileValues } from '../train/values.ts';
import { fillerSizes, resized } from './filler-recall.ts';
import { toyExperiment } from './toy-experiment.ts';

const arms = ['dense', 'sliding window', 'dynamic mask', 'random order', 'A frozen'] as const;
export type DynamicMaskArm = (typeof arms)[number];

const settingSchema = z.strictObject({ arm: z.enum(arms), ...fillerSizes });
export type DynamicMaskSetting = z.infer<typeof settingSchema>;

const H = 2;

/** What each arm puts into the attention; w is a quarter of the text. */
const masks: Readonly<Partial<Record<DynamicMaskArm, DynamicMaskOptions>>> = {
  'dynamic mask': {},
  'random order': { order: 'random' },
  'A frozen': { form: 'none' },
};

function optionsOf({ arm, tokens, pairs, joined }: DynamicMaskSetting): FillerRecallOptions {
  const keep = Math.ceil(tokens / 4);
  const mask = masks[arm];
  return {
    ...{ tokens, pairs, joined, far: keep, heads: H },
    ...(arm === 'sliding window' ? { window: keep } : {}),
    ...(mask ? { mechanism: dynamicMaskAttention({ keep, ...mask } as DynamicMaskOptions) } : {}),
  };
}

/** By what every layer ranks its tokens, `order0`…, [B, S, G]. */
const orders = ({ values }: Stacked) =>
  Object.fromEntries(
    values.map((v, layer) => {
      const at = (name: string) => `layers.${layer}.${name}`;
      const given: ScoreHeads = { at, sizes: { H, G: H, D: M / H, M }, heads: 'key-value' };
      return [`order${layer}`, tokenScores(rawTokenScores(v, given), 'exp', given).order as Tensor<'B' | 'S' | 'G'>];
    }),
  );

/** Dense attention, windows and masks by score on recall among fillers; where tokens have scores, how well these tell facts from fillers. */
export const dynamicMaskRecall = toyExperiment<DynamicMaskSetting>({
  name: 'dynamic-mask-recall',
  version: 1,
  setting: settingSchema,
  toy: (setting) => ({ toy: resized(fillerRecall(optionsOf(setting)), setting) }),
  async after(setting, { parameters }, { runtime }): Promise<Record<string, number>> {
    if (setting.arm !== 'dynamic mask' && setting.arm !== 'random order') return {};
    const toy = fillerRecall({ ...optionsOf(setting), figures: orders });
    const { order0, order1 } = toy.task().metrics!;
    const program = await compileValues(runtime, { order0: order0!, order1: order1! });
    const fed = toy.sample(seededRandom(seedFor(0, 'texts for the scores')), setting.batch);
    const found = await program.run(parameters, fed);
    const facts = Array.from(fed.ids!.data as BigInt64Array, (id) => Number(id) < 2 * words);
    const { tokens } = setting;
    const areas = [found.order0, found.order1].map(({ data }) =>
      Array.from({ length: H }, (_, head) => {
        // [B, G, S]
        const scores = facts.map((_, i) => Number(data[(Math.floor(i / tokens) * H + head) * tokens + (i % tokens)]));
        return areaUnderCurve(scores, facts);
      }),
    );
    const all = areas.flat();
    return {
      scoreArea: all.reduce((a, b) => a + b, 0) / all.length,
      bestScoreArea: Math.max(...all),
      firstLayerScoreArea: areas[0]!.reduce((a, b) => a + b, 0) / H,
    };
  },
});

/** Share of pairs of a positive and a negative in which the positive has the higher score, ties by half (area under the ROC curve). */
export function areaUnderCurve(scores: readonly number[], positive: readonly boolean[]): number {
  const order = [...scores.keys()].sort((a, b) => scores[a]! - scores[b]!);
  let [below, won] = [0, 0];
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to++;
    const tied = order.slice(from, to);
    const up = tied.filter((i) => positive[i]).length;
    won += up * (below + (tied.length - up) / 2);
    below += tied.length - up;
    from = to;
  }
  return won / (below * (scores.length - below));
}
