import { z } from 'zod';
import { pageIds, protocolTexts } from '../load/prompts.ts';
import { describeTokens } from '../load/token-roles.ts';
import type { Control } from '../measure/result.ts';
import { type ScanFindings, scan } from '../measure/scan.ts';
import type { Experiment } from './experiment.ts';
import { average } from './figures.ts';
import { corpusOf, foundModel, type MeasuredModel, measuredModel, modelName, withModel } from './model-at-hand-node.ts';

const settingSchema = z.strictObject({
  model: modelName,
  /** Texts for sinks and for places, of 64 tokens each. */
  texts: z.number().int().min(1).max(1000),
  /** Tokens of the text whose residuals are looked at. */
  page: z.number().int().min(64).max(4096),
});

export type MassiveScanSetting = z.infer<typeof settingSchema>;

/** A scan of a checkpoint with its four controls, as figures. */
export const massiveScan: Experiment<MassiveScanSetting, MeasuredModel> = {
  name: 'massive-scan',
  version: 1,
  setting: settingSchema,
  result: measuredModel,
  keeps: foundModel,
  run: ({ model: name, texts, page: tokens }, seed, context) =>
    withModel(name, context, async (model, tokenizer) => {
      const { signal, progress } = context;
      const corpus = corpusOf(seed);
      const page = pageIds(corpus, tokenizer, { tokens }).ids;
      const findings = await scan(
        model,
        {
          ...{ page, tokens: describeTokens(page, tokenizer) },
          texts: protocolTexts(corpus, tokenizer, { texts }).ids,
          fixed: page[0] === tokenizer.bosId ? 1 : 0,
        },
        {
          ...{ controls: true, seed },
          ...(signal ? { signal } : {}),
          progress: (done, total) => progress?.(done / total),
        },
      );
      return scanFigures(findings);
    }),
};

const controlNames: Readonly<Record<Control['name'], string>> = {
  'shuffled, first token kept': 'Kept',
  'shuffled, first token moved': 'Moved',
  'random initialisation': 'Random',
  'weights permuted': 'Permuted',
};

const middleOf = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/**
 * Ratios are the largest |h| over the layer's median. middleRatio: median over the middle third of layers; lastRatio: after the last block.
 * atFirst: share of massive entries of the page at token 0. samePlace: share of texts whose massive entry is at the most frequent place,
 * whose dimension is `channel`. toFirstCarrying, toFirstOther: attention to token 0 in layers that read a massive residual, and in the others.
 */
export function scanFigures(findings: ScanFindings): Record<string, number> {
  const { page, controls, massiveTexts, received, sinkRates, uniform } = findings;
  const ratios = page.curves.largest.map(([first], layer) => first / Math.max(page.curves.median[layer]!, 2 ** -126));
  const L = ratios.length;
  const massive = page.massive.filter((entry) => entry.massive);
  const place = massiveTexts?.places[0];
  const carrying = new Set(massive.map(({ layer }) => layer + 1));
  const layers = received.flatMap((heads, layer) =>
    heads === null ? [] : [{ share: average(heads), carries: carrying.has(layer) }],
  );
  const shareWhere = (carries: boolean) => {
    const found = layers.filter((layer) => layer.carries === carries).map(({ share }) => share);
    return found.length === 0 ? 0 : average(found);
  };
  return {
    peakRatio: Math.max(...ratios),
    middleRatio: middleOf(ratios.slice(Math.floor(L / 3), Math.max(1, Math.ceil((2 * L) / 3)))),
    lastRatio: ratios.at(-1)!,
    atFirst: massive.length === 0 ? 0 : massive.filter(({ position }) => position === 0).length / massive.length,
    samePlace: place && massiveTexts ? place.texts / massiveTexts.texts : 0,
    channel: place ? place.dimension : -1,
    ...{
      toFirstCarrying: shareWhere(true),
      toFirstOther: shareWhere(false),
      toFirstUniform: average(uniform.filter((value) => value !== null)),
    },
    ...{ sinkRate: sinkRates[0]!.rate.mean, sinkUniform: sinkRates[0]!.uniform },
    ...Object.fromEntries(
      controls.flatMap(({ name, largestRatio, rates }) => [
        [`ratio${controlNames[name]}`, largestRatio],
        [`sink${controlNames[name]}`, rates[0]!.rate.mean],
      ]),
    ),
  };
}
