import { z } from 'zod';
import { LoadError } from '../error.ts';
import { DEFAULT_MODEL } from '../load/default-model-node.ts';
import { DEFAULT_TEXT } from '../load/default-text.ts';
import type { Tokenizer } from '../load/tokenizer.ts';
import { load } from '../models/load-node.ts';
import type { Model } from '../models/model.ts';
import type { Judgement } from './claim.ts';
import type { Experiment } from './experiment.ts';

/** A path, or a name on the hub; the default model is also looked for where the commands keep it. */
export const modelName = z.string().min(1).max(512);
export const defaultModelName = DEFAULT_MODEL.name;

export const measuredModel = z.strictObject({
  /** Why nothing was measured, or null. */
  missing: z.string().max(4096).nullable(),
  values: z.record(z.string().max(64), z.number()),
  seconds: z.number().min(0),
});

/** What is found on a checkpoint; without values where there is none at hand. */
export type MeasuredModel = z.infer<typeof measuredModel>;

/** Runs on a checkpoint that is on this machine already. Nothing is downloaded: where there is none, that is the result. */
export async function withModel(
  name: string,
  { runtime, signal }: Parameters<Experiment['run']>[2],
  measure: (model: Model, tokenizer: Tokenizer) => Promise<Record<string, number>>,
): Promise<MeasuredModel> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  let loaded: Model;
  try {
    loaded = await load(name === defaultModelName ? undefined : name, {
      ...{ offline: true, tokenizer: 'needed', threads: runtime.threads, keepWeights: 1e9 },
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    return { missing: error.message.slice(0, 4096), values: {}, seconds: seconds() };
  }
  await using model = loaded;
  return { missing: null, values: await measure(model, model.tokenizer!), seconds: seconds() };
}

/** The text that ships, from another place on for every seed. */
export const corpusOf = (seed: number): string => DEFAULT_TEXT.slice(1000 * (seed % 10));

/** A judgement of runs on a checkpoint; where a run found none, that is said and nothing is judged. */
export function judgeMeasured(
  runs: readonly MeasuredModel[],
  judge: (runs: readonly MeasuredModel[]) => Judgement,
): Judgement {
  const missing = runs.find((run) => run.missing !== null)?.missing;
  if (missing === undefined || missing === null) return judge(runs);
  return {
    verdict: 'not run',
    figures: [],
    note: `There is no checkpoint at hand, and none is downloaded here (${missing}). \`sinklab scan\` fetches the default model; then run this again.`,
  };
}

/** For `Experiment.keeps`: a run that found no checkpoint is run again. */
export const foundModel = ({ missing }: MeasuredModel): boolean => missing === null;
