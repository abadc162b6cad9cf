import { z } from 'zod';
import { adamW } from '../train/optimizers/adamw.ts';
import { initialState } from '../train/state.ts';
import { type MotionStreamOptions, motionStream } from '../train/toys/motion-stream.ts';
import { average } from './figures.ts';
import { driftOf, type SinkChange } from './motion-drift.ts';
import { toyExperiment } from './toy-experiment.ts';

const settingSchema = z.strictObject({
  sinks: z.number().int().min(0).max(4),
  window: z.number().int().min(0).max(8),
  /** Context of training: what the model made itself, or the clip's clean chunks. */
  rollout: z.enum(['own', 'true']),
  /** Is the identity told with every frame? */
  told: z.boolean(),
  /** Chunks of a training clip. */
  trained: z.number().int().min(1).max(16),
  steps: z.number().int().min(1).max(1_000_000),
  /** Chunks of a stream, and streams, that are judged. */
  chunks: z.number().int().min(20).max(100_000),
  clips: z.number().int().min(2).max(4096),
});
export type MotionStreamSetting = z.infer<typeof settingSchema>;

/**
 * The chunk-causal generator of clips (2511.01266) with sinks and a window, streamed far past the length of its training. Figures, means over
 * clips: identityTrained and controlTrained in the chunks of training, identityEarly in as many after them, identityLate and controlLate in the last ten;
 * sinkHighest and sinkMean, shares of attention on the sink; untrainedLate. With sinks and own rollouts also nextWithSinkOfNext and
 * ownWithSinkOfNext (distance from the identity of the clip whose sink was put in, and from its own) and lateWithoutSinkValues.
 */
export const motionStreamClaim = toyExperiment<MotionStreamSetting>({
  name: 'motion-stream',
  version: 1,
  setting: settingSchema,
  toy: (setting) => ({ toy: { ...motionStream(optionsOf(setting)), steps: setting.steps } }),
  async after({ chunks, clips, ...setting }, { parameters }, { runtime, signal }) {
    const { sinks, window, told, rollout, trained } = setting;
    const all = { runtime, sinks, window, told, chunks, clips, ...(signal ? { signal } : {}) };
    const run = (change: SinkChange) => driftOf({ ...all, parameters, change });
    const { identity, control, sinkShare } = await run('as it is');
    const start = initialState(motionStream(optionsOf(setting)).task(), adamW(), 0).parameters;
    const untrained = await driftOf({ ...all, parameters: start });
    const found: Record<string, number> = {
      identityTrained: average(identity.slice(0, trained)),
      identityEarly: average(identity.slice(trained, 2 * trained)),
      identityLate: average(identity.slice(-10)),
      controlTrained: average(control.slice(0, trained)),
      controlLate: average(control.slice(-10)),
      untrainedLate: average(untrained.identity.slice(-10)),
      sinkHighest: Math.max(...sinkShare),
      sinkMean: average(sinkShare),
    };
    if (sinks === 0 || rollout === 'true' || told) return found;
    const next = await run('of the next clip');
    found.nextWithSinkOfNext = average(next.nextIdentity.slice(-10));
    found.ownWithSinkOfNext = average(next.identity.slice(-10));
    found.lateWithoutSinkValues = average((await run('values zero')).identity.slice(-10));
    return found;
  },
});

function optionsOf(setting: Omit<MotionStreamSetting, 'steps' | 'chunks' | 'clips'>): MotionStreamOptions {
  const { sinks, window, rollout, told, trained: chunks } = setting;
  return { sinks, window, rollout, told, chunks };
}
