import { z } from 'zod';
import { protocolTexts } from '../load/prompts.ts';
import { detectMassive, residualExtremes } from '../measure/massive-detector.ts';
import type { Edit, Edits } from '../models/hooks.ts';
import { loss } from '../models/loss.ts';
import type { Model } from '../models/model.ts';
import { run } from '../models/run.ts';
import { seededRandom, seedFor, shuffle } from '../random.ts';
import { add, cast, constant, equal, iota, multiply, size, subtract, type Tensor } from '../tensor/index.ts';
import type { Experiment } from './experiment.ts';
import { corpusOf, foundModel, type MeasuredModel, measuredModel, modelName, withModel } from './model-at-hand-node.ts';

const settingSchema = z.strictObject({
  model: modelName,
  /** Texts whose loss is taken, and tokens of each. */
  texts: z.number().int().min(1).max(1000),
  tokens: z.number().int().min(8).max(4096),
  /** Other texts, of which the means are taken. */
  others: z.number().int().min(1).max(1000),
});

export type MassiveInterventionSetting = z.infer<typeof settingSchema>;

/**
 * Overwrites the massive entries of the first token after the block that first has any, by zero and by their mean over other texts, and as
 * many random entries of that token by zero. loss, and what each adds to it: zero, mean, random, in nats; coordinates: how many there are,
 * 0 where the model has none, and then nothing else.
 */
export const massiveIntervention: Experiment<MassiveInterventionSetting, MeasuredModel> = {
  name: 'massive-intervention',
  version: 1,
  setting: settingSchema,
  result: measuredModel,
  keeps: foundModel,
  run: ({ model: name, texts, tokens, others }, seed, context) =>
    withModel(name, context, async (model, tokenizer) => {
      const { progress } = context;
      const corpus = corpusOf(seed);
      // The other texts are those between the texts.
      const all = protocolTexts(corpus, tokenizer, { texts: 2 * texts, tokens }).ids;
      const ids = all.filter((_, i) => i % 2 === 0);
      const found = await massiveCoordinates(model, ids[0]!);
      if (found === undefined) return { coordinates: 0 };
      const { layer, dimensions } = found;
      // A token at position 0 sees nothing but itself.
      const openings = protocolTexts(corpus.slice(500), tokenizer, { texts: others, tokens: 2 }).ids;
      const means = await meansAtFirst(model, layer, openings);
      const M = model.decoder.sizes.M;
      const random = shuffle(
        Array.from({ length: M }, (_, m) => m).filter((m) => !dimensions.includes(m)),
        seededRandom(seedFor(seed, 'random coordinates')),
      ).slice(0, dimensions.length);
      let done = 0;
      const lossWith = async (edit: Edits) => {
        let total = 0;
        for (const text of ids) {
          total += (await loss(model, { ids: [text] }, { edit })).mean;
          progress?.(++done / (4 * ids.length));
        }
        return total / ids.length;
      };
      const set = (at: readonly number[], value: (m: number) => number) => lossWith(overwritten(layer, M, at, value));
      const plain = await lossWith({});
      return {
        ...{ coordinates: dimensions.length, layer, loss: plain },
        zero: (await set(dimensions, () => 0)) - plain,
        mean: (await set(dimensions, (m) => means[m]!)) - plain,
        random: (await set(random, () => 0)) - plain,
      };
    }),
};

/** First layer after which token 0 has massive entries, and their dimensions. */
async function massiveCoordinates(
  model: Model,
  ids: readonly number[],
): Promise<{ readonly layer: number; readonly dimensions: number[] } | undefined> {
  const { captured } = await run(model, { ids: [ids] }, { logits: false, capture: ['blocks.*.hook_out'] });
  const M = model.decoder.sizes.M;
  const layers = [...captured.values()].map(({ data }) => residualExtremes(data as Float32Array, ids.length, M));
  const atFirst = detectMassive(layers).activations.filter(({ massive, position }) => massive && position === 0);
  const layer = atFirst[0]?.layer;
  if (layer === undefined) return undefined;
  return { layer, dimensions: atFirst.filter((entry) => entry.layer === layer).map(({ dimension }) => dimension) };
}

/** [M] mean over texts of the residual of their first token after a block. */
async function meansAtFirst(model: Model, layer: number, ids: readonly (readonly number[])[]): Promise<Float64Array> {
  const name = `blocks.${layer}.hook_out` as const;
  const { captured } = await run(model, { ids }, { logits: false, capture: [name], select: { positions: [0] } });
  const { data } = captured.get(name)!;
  const M = model.decoder.sizes.M;
  return Float64Array.from({ length: M }, (_, m) => {
    let total = 0;
    for (let b = 0; b < ids.length; b++) total += Number(data[b * M + m]);
    return total / ids.length;
  });
}

/** Puts values into some dimensions of the first token's residual after a block. */
export function overwritten(
  layer: number,
  M: number,
  dimensions: readonly number[],
  value: (dimension: number) => number,
): Edits {
  const chosen = Array.from({ length: M }, (_, m) => dimensions.includes(m));
  const edit: Edit<'B' | 'T' | 'M'> = (stream) => {
    const first = cast(equal(iota('T', size(stream, 'T')), 0), 'float32');
    const at = (values: readonly number[]) => multiply(first, constant(values, { M })) as Tensor<'T' | 'M'>;
    const kept = subtract(1, at(chosen.map(Number)));
    return add(multiply(stream, kept), at(chosen.map((one, m) => (one ? value(m) : 0))));
  };
  return { [`blocks.${layer}.hook_out`]: edit } as Edits;
}
