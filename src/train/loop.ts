import { InputError, RunError } from '../error.ts';
import type { HostTensor } from '../runtime/backend.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Within } from '../tensor/index.ts';
import { checkWhole } from './check.ts';
import { type CheckpointStore, checkSameRun, type RunRecord, type RunSettings } from './checkpoint.ts';
import { type Feeds, shapesOf } from './feeds.ts';
import { type FeedShapes, refuseBeyond, type TrainMemory, trainMemory } from './memory.ts';
import type { Schedule } from './schedule.ts';
import { initialState, type TrainState } from './state.ts';
import { compilePlan } from './step.ts';
import { planStep, type StepOptions } from './step-plan.ts';
import type { Task } from './task.ts';
import { compileValues } from './values.ts';

export interface TrainOptions<W extends string = string> extends StepOptions {
  readonly runtime: Runtime;
  readonly task: Task;
  readonly schedule: Schedule;
  /** Updates in all. */
  readonly steps: number;
  /**
   * Batch number `index`, from 0. A function of its number (and of the run's seed) alone: so a resumed run sees what an undisturbed one
   * would have seen.
   */
  readonly batches: (index: number) => Feeds | Promise<Feeds>;
  /** Names the data, so that a run is not resumed on other data. Default: not checked. */
  readonly data?: string;
  /** Seed of the initial values. Default 0. */
  readonly seed?: number;
  /** Start from this state instead of initial values. */
  readonly start?: TrainState;
  /** Tokens that one batch trains on, for the speed. Default: not given. */
  readonly tokens?: number;
  /** Values computed in a program of their own after every so many updates, and after the first and the last. Default none. */
  readonly watch?: { readonly every: number; readonly values: Readonly<Record<W, Within<string>>> };
  /** Where to save: every so many updates, at the end, and when the run is stopped. Default: nowhere. */
  readonly save?: { readonly store: CheckpointStore; readonly every: number; readonly notes?: () => unknown };
  /** Go on from the last save, if there is one. Without it a store that holds a run already is an error. Default false. */
  readonly resume?: boolean;
  /** The memory that is needed, estimated before anything is compiled. More than the runtime's machine has is refused in any case. */
  readonly memory?: {
    readonly tell?: (estimate: TrainMemory) => void;
    /** Shapes of a batch. Default: the first one is made to look at. */
    readonly shapes?: FeedShapes;
    /** Values that the caller computes in a program of its own while the run lasts, on batches of the same size. Default none. */
    readonly beside?: Readonly<Record<string, Within<string>>>;
  };
  /** Stops the run after the update that is under way; it is saved. */
  readonly signal?: AbortSignal;
}

/** After each update. */
export interface TrainProgress<W extends string = string> {
  /** Updates done, from 1. */
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Over the last updates; NaN where the tokens of a batch were not given. */
  readonly tokensPerSecond: number;
  /** Estimate for the updates that are left, in seconds. */
  readonly secondsLeft: number;
  readonly metrics: Readonly<Record<string, HostTensor>>;
  /** Where they are due: after this update, on its last batch. */
  readonly watched?: Readonly<Record<W, HostTensor>>;
  /** Parameters and slots after this update. Hold on to it only as long as you need it: it is the model's memory three times. */
  readonly state: TrainState;
}

/** Updates that the speed is measured over. */
const recent = 20;

/**
 * Trains, one update at a time; the state after the last one is returned. Stopping (the signal, or leaving the loop) saves.
 * Throws an InputError for settings that do not fit, or differ from those of a saved run, and for a step beyond the memory there is; a
 * RunError when loss or gradient is not finite.
 */
export async function* train<const W extends string = never>(
  options: TrainOptions<W>,
): AsyncGenerator<TrainProgress<W>, TrainState> {
  const { runtime, task, schedule, steps, batches, seed = 0, accumulate = 1, tokens, watch, save, signal } = options;
  checkWhole('train', 'steps', steps, 1);
  if (save) checkWhole('train', 'save.every', save.every, 1);
  if (watch) checkWhole('train', 'watch.every', watch.every, 1);
  const plan = planStep(task, options);
  const settings = settingsOf(options);
  const saved = await save?.store.latest(plan.parameters, options.optimizer);
  if (saved && !options.resume)
    throw new InputError(
      `train: there is a run at step ${saved.record.step} already; resume it, or save to another folder`,
    );
  if (saved) checkSameRun(saved.record.settings, settings);
  const start = saved?.state ?? options.start;
  const done = start?.step ?? 0;
  const { tell, shapes, beside } = options.memory ?? {};
  let first = shapes || done >= steps || signal?.aborted ? undefined : await batches(done * accumulate);
  const known = shapes ?? (first && shapesOf(first));
  if (known) {
    const others = [watch?.values, beside].filter((values) => values !== undefined);
    const estimate = trainMemory(plan, known, others);
    tell?.(estimate);
    refuseBeyond(estimate, runtime, 'train');
  }
  // Only now: it is memory as well.
  let state = start ?? initialState(task, options.optimizer, seed);
  const step = await compilePlan(runtime, plan);
  const watching = watch && (await compileValues(runtime, watch.values));
  let kept = state.step;
  const keep = async () => {
    if (!save || kept === state.step) return;
    const notes = save.notes?.();
    const record: RunRecord = {
      ...{ format: 'sinklab training', version: 1, step: state.step, batches: state.step * accumulate, settings },
      ...(notes === undefined ? {} : { notes }),
    };
    await save.store.save({ state, record }, step.parameters);
    kept = state.step;
  };
  const durations: number[] = [];
  let failed = false;
  try {
    while (state.step < steps && !signal?.aborted) {
      const began = performance.now();
      const feeds: Feeds[] = [];
      for (let i = 0; i < accumulate; i++) {
        feeds.push(first ?? (await batches(state.step * accumulate + i)));
        first = undefined;
      }
      const learningRate = schedule.rate(state.step + 1);
      const result = await step.run(state, feeds, learningRate);
      if (!Number.isFinite(result.loss) || !Number.isFinite(result.gradientNorm))
        throw new RunError(
          `train: at step ${state.step + 1} the loss is ${result.loss} and the norm of the gradient ${result.gradientNorm} ` +
            `(learning rate ${learningRate}); try a lower rate, a longer warm-up or clipping. Nothing was saved since step ${kept}`,
        );
      state = result.state;
      durations.push((performance.now() - began) / 1000);
      if (durations.length > recent) durations.shift();
      const due = watch && (state.step === 1 || state.step === steps || state.step % watch.every === 0);
      const watched = due && (await watching!.run(state.parameters, feeds.at(-1)!));
      const seconds = durations.reduce((a, b) => a + b, 0) / durations.length;
      yield {
        ...{ step: state.step, loss: result.loss, gradientNorm: result.gradientNorm, learningRate },
        tokensPerSecond: ((tokens ?? Number.NaN) * accumulate) / seconds,
        secondsLeft: (steps - state.step) * seconds,
        metrics: result.metrics,
        ...(watched ? { watched } : {}),
        state,
      };
      // Now, so that the caller's notes know of this update.
      if (save && (state.step % save.every === 0 || state.step === steps)) await keep();
    }
  } catch (error) {
    failed = true;
    throw error;
  } finally {
    if (!failed) await keep();
  }
  return state;
}

function settingsOf({
  seed = 0,
  data,
  accumulate = 1,
  clip,
  decay = 0,
  optimizer,
  schedule,
}: TrainOptions): RunSettings {
  return {
    ...{ seed, data: data ?? null, accumulate, clip: clip ?? null, decay: typeof decay === 'number' ? decay : null },
    optimizer: { name: optimizer.name, settings: optimizer.settings },
    schedule: { name: schedule.name, settings: schedule.settings },
  };
}
