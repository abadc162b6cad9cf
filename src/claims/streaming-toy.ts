import { z } from 'zod';
import { DecodingEngine } from '../cache/engine.ts';
import { streamingLlm } from '../cache/policies/streaming-llm.ts';
import { slidingWindow } from '../cache/policies/window.ts';
import { loss } from '../models/loss.ts';
import { createModel, type Model } from '../models/model.ts';
import { run } from '../models/run.ts';
import { memoryCheckpoint } from '../train/memory-checkpoint.ts';
import { adamW } from '../train/optimizers/adamw.ts';
import { initialState, type TrainState } from '../train/state.ts';
import {
  type ByteLlamaOptions,
  byteLlama,
  byteLlamaConfig,
  heldOutBytes,
  sinkTokenId,
} from '../train/toys/byte-llama.ts';
import type { ExperimentContext } from './experiment.ts';
import { average } from './figures.ts';
import { streamedLosses } from './streaming-losses.ts';
import { toyExperiment } from './toy-experiment.ts';

const whole = (least: number, most: number) => z.number().int().min(least).max(most);

const settingSchema = z.strictObject({
  /** Is there a learned token in front of every sequence? */
  sinkToken: z.boolean(),
  L: whole(2, 12),
  H: whole(1, 16),
  M: whole(8, 512),
  /** Bytes of a training sequence: more than the capacity. */
  T: whole(16, 1024),
  batch: whole(1, 256),
  steps: whole(1, 100_000),
  /** Entries that each head keeps while a text is streamed, and bytes of that text. */
  capacity: whole(8, 512),
  stream: whole(32, 9000),
});
export type StreamingToySetting = z.infer<typeof settingSchema>;

/**
 * A small Llama over bytes, trained and then streamed over held-out text at a capacity C below its training length. Mean losses in nats after
 * the first C bytes: `window`, `four` (4 + C − 4), `one` (1 + C − 1); `recomputed` and `fourThere` at every 16th byte, where the last C are
 * read afresh, behind the learned token where there is one. `sinkMass`: mean attention to the first place by queries from C on, layers from the
 * second on, in texts of the training length; `uniformMass` under even attention. The same with `untrained` in front before the first update.
 */
export const streamingToy = toyExperiment<StreamingToySetting>({
  name: 'streaming-toy',
  version: 1,
  setting: settingSchema,
  toy: (setting) => ({ toy: { ...byteLlama(optionsOf(setting)), batch: setting.batch, steps: setting.steps } }),
  async after(setting, { parameters }, context) {
    // The seed is not at hand here, and does not matter: any untrained parameters do.
    const fresh = initialState(byteLlama(optionsOf(setting)).task(), adamW(), 0).parameters;
    const untrained = await streamed(setting, fresh, context);
    return {
      ...(await streamed(setting, parameters, context)),
      untrainedWindow: untrained.window!,
      untrainedFour: untrained.four!,
      untrainedSinkMass: untrained.sinkMass!,
    };
  },
});

const optionsOf = ({ sinkToken, L, H, M, T }: StreamingToySetting): ByteLlamaOptions => ({
  ...{ sinkToken, T, sizes: { L, H, M } },
});

async function streamed(
  setting: StreamingToySetting,
  parameters: TrainState['parameters'],
  { runtime, signal }: ExperimentContext,
): Promise<Record<string, number>> {
  const { capacity: C, stream, sinkToken } = setting;
  const checkpoint = memoryCheckpoint(byteLlamaConfig(optionsOf(setting)), parameters);
  // The runtime is the experiment's, so the model is not disposed of.
  const model = createModel({ checkpoint, runtime });
  const front = sinkToken ? [sinkTokenId] : [];
  const ids = heldOutBytes(stream);
  await using engine = new DecodingEngine(model);
  const under = (policy: ReturnType<typeof streamingLlm>) =>
    streamedLosses(model, { policy, front, ids, engine, signal });
  const window = await under(slidingWindow({ recent: C }));
  const one = await under(streamingLlm({ sinks: 1, recent: C - 1 }));
  const four = await under(streamingLlm({ sinks: 4, recent: C - 4 }));
  const places = Array.from({ length: Math.floor((stream - 1 - C) / 16) }, (_, i) => C + 16 * (i + 1));
  const rows = places.map((t) => [...front, ...ids.slice(t - C + front.length, t + 1)]);
  const recomputed = (await loss(model, { ids: rows })).perToken.map((values) => values.at(-1)!);
  return {
    ...{ window: average(window.subarray(C)), one: average(one.subarray(C)), four: average(four.subarray(C)) },
    ...{ recomputed: average(recomputed), fourThere: average(places.map((t) => four[t]!)) },
    ...(await firstPlace(model, front, ids, setting)),
  };
}

/** Mean attention to the first place by queries from C on, layers from the second on, over up to 16 texts of T tokens. */
async function firstPlace(
  model: Model,
  front: readonly number[],
  ids: readonly number[],
  { L, T, capacity: C }: StreamingToySetting,
): Promise<{ sinkMass: number; uniformMass: number }> {
  const length = T - front.length;
  const count = Math.max(1, Math.min(16, Math.floor(ids.length / length)));
  const texts = Array.from({ length: count }, (_, i) => [...front, ...ids.slice(i * length, (i + 1) * length)]);
  const capture = Array.from({ length: L - 1 }, (_, i) => `blocks.${i + 1}.attn.hook_pattern` as const);
  const { captured } = await run(model, { ids: texts }, { logits: false, capture });
  const later: number[] = [];
  for (const { data, shape } of captured.values()) {
    const S = shape.at(-1)!;
    for (let row = 0; row < data.length / S; row++) if (row % S >= C) later.push(Number(data[row * S]));
  }
  const uniform = Array.from({ length: T - C }, (_, i) => 1 / (C + i + 1));
  return { sinkMass: average(later), uniformMass: average(uniform) };
}
