import { seededRandom, seedFor } from '../../random.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { shapesOf } from '../feeds.ts';
import { refuseBeyond, type TrainMemory, trainMemory } from '../memory.ts';
import { adamW } from '../optimizers/adamw.ts';
import { warmupStableDecay } from '../schedule.ts';
import { initialState, type TrainState } from '../state.ts';
import { compilePlan } from '../step.ts';
import { planStep } from '../step-plan.ts';
import type { Expectation, Toy } from './toy.ts';

export interface TrainToyOptions {
  /** Default 0. */
  readonly seed?: number;
  /** Default: the toy's own. */
  readonly steps?: number;
  readonly signal?: AbortSignal;
  /** Told how much memory the training is estimated to take, before anything is compiled. */
  readonly tellMemory?: (estimate: TrainMemory) => void;
  /** After every step: the loss and the scalar metrics of its batch, before the update; the norm of its gradient and its learning rate. */
  readonly progress?: (
    step: number,
    values: Readonly<Record<string, number>>,
    update: { readonly gradientNorm: number; readonly learningRate: number },
  ) => void;
}

export interface ToyResult {
  readonly toy: string;
  readonly seed: number;
  readonly steps: number;
  readonly seconds: number;
  /** Loss and scalar metrics, mean over the last ten steps. */
  readonly values: Readonly<Record<string, number>>;
  /** Each expectation of the card with the figure found. */
  readonly verdicts: readonly (Expectation & { readonly found: number; readonly shown: boolean })[];
  readonly state: TrainState;
}

const tail = 10;

/** Trains a toy from a seed: data, initial values and therefore every figure are the same at each run. */
export async function trainToy(toy: Toy, runtime: Runtime, options: TrainToyOptions = {}): Promise<ToyResult> {
  const { seed = 0, steps = toy.steps, signal, tellMemory, progress } = options;
  const task = toy.task();
  const optimizer = adamW({ beta1: 0.9, beta2: toy.beta2 ?? 0.95 });
  const schedule = warmupStableDecay({
    peak: toy.learningRate,
    steps,
    warmup: Math.min(toy.warmUp, Math.floor(steps / 10)),
    decay: Math.floor(steps * toy.decline),
    end: toy.decline > 0 ? 0 : 1,
  });
  const random = seededRandom(seedFor(seed, 'batches'));
  let batch = toy.sample(random, toy.batch);
  const plan = planStep(task, { optimizer, decay: toy.decay, clip: 1 });
  const estimate = trainMemory(plan, shapesOf(batch));
  tellMemory?.(estimate);
  refuseBeyond(estimate, runtime, toy.name);
  const step = await compilePlan(runtime, plan);
  const last: Record<string, number>[] = [];
  const started = performance.now();
  let state = initialState(task, optimizer, seed);
  for (let i = 1; i <= steps; i++) {
    signal?.throwIfAborted();
    const learningRate = schedule.rate(i);
    const done = await step.run(state, batch, learningRate);
    state = done.state;
    if (i < steps) batch = toy.sample(random, toy.batch);
    const values: Record<string, number> = { loss: done.loss };
    for (const [name, { data }] of Object.entries(done.metrics)) if (data.length === 1) values[name] = Number(data[0]);
    if (i > steps - tail) last.push(values);
    progress?.(i, values, { gradientNorm: done.gradientNorm, learningRate });
  }
  const names = Object.keys(last[0] ?? {});
  const values = Object.fromEntries(
    names.map((name) => [name, last.reduce((sum, v) => sum + v[name]!, 0) / last.length]),
  );
  const verdicts = toy.expected.map((expectation) => {
    const found = values[expectation.metric] ?? Number.NaN;
    const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = expectation;
    return { ...expectation, found, shown: found >= least && found <= most };
  });
  return { toy: toy.name, seed, steps, seconds: (performance.now() - started) / 1000, values, verdicts, state };
}
