import { z } from 'zod';
import { protocolTexts } from '../load/prompts.ts';
import { controlSettings } from '../measure/controls.ts';
import type { Model } from '../models/model.ts';
import { run } from '../models/run.ts';
import type { Experiment } from './experiment.ts';
import { corpusOf, foundModel, type MeasuredModel, measuredModel, modelName, withModel } from './model-at-hand-node.ts';

const settingSchema = z.strictObject({
  model: modelName,
  texts: z.number().int().min(1).max(1000),
  /** Of each text. */
  tokens: z.number().int().min(8).max(1024),
});

export type SinkIndicatorSetting = z.infer<typeof settingSchema>;

/**
 * The sink indicator of 2510.11602, mean_i a_i0 over heads and texts, its mean over the middle third of layers: `trained`, and `fresh` for
 * the same architecture with random weights. `share`: 1 / T; `uniform`: mean_i 1 / i, what even attention gives.
 */
export const sinkIndicator: Experiment<SinkIndicatorSetting, MeasuredModel> = {
  name: 'sink-indicator',
  version: 1,
  setting: settingSchema,
  result: measuredModel,
  keeps: foundModel,
  run: ({ model: name, texts, tokens }, seed, context) =>
    withModel(name, context, async (model, tokenizer) => {
      const { ids } = protocolTexts(corpusOf(seed), tokenizer, { texts, tokens });
      const control = controlSettings.find(({ name }) => name === 'random initialisation')!;
      const trained = await middleSink(model, ids);
      context.progress?.(0.5);
      const fresh = await middleSink(control.weights!(model, seed), ids);
      const T = ids[0]!.length;
      const uniform = Array.from({ length: T }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b, 0) / T;
      return { trained, fresh, share: 1 / T, uniform };
    }),
};

async function middleSink(model: Model, ids: readonly (readonly number[])[]): Promise<number> {
  const { L } = model.decoder.sizes;
  const [from, to] = [Math.floor(L / 3), Math.max(1, Math.ceil((2 * L) / 3))];
  const capture = Array.from({ length: to - from }, (_, i) => `blocks.${from + i}.attn.hook_pattern` as const);
  let total = 0;
  for (const text of ids) {
    const { captured } = await run(model, { ids: [text] }, { logits: false, capture });
    for (const { data, shape } of captured.values()) total += meanOnFirst(data as Float32Array, shape.at(-1)!);
  }
  return total / (ids.length * capture.length);
}

/** Mean over heads and queries of what falls on key 0, from a pattern [B, H, T, S]. */
export function meanOnFirst(pattern: Float32Array, S: number): number {
  const rows = pattern.length / S;
  return Array.from({ length: rows }, (_, row) => pattern[row * S]!).reduce((a, b) => a + b, 0) / rows;
}
