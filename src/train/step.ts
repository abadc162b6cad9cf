import { InputError } from '../error.ts';
import type { HostTensor } from '../runtime/backend.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { lower } from '../tensor/index.ts';
import { arrayOf, type Feeds, hostOf, numberOf, weightFeeds } from './feeds.ts';
import { slotsOf } from './optimizer.ts';
import type { Parameter } from './parameter.ts';
import { elementsOf, slotName, type TrainState } from './state.ts';
import { names } from './step-graph.ts';
import { planStep, type StepOptions, type StepPlan } from './step-plan.ts';
import type { Task } from './task.ts';

export interface StepResult {
  readonly state: TrainState;
  /** Mean over the batches, before the update. */
  readonly loss: number;
  /** Of the mean gradient, before clipping. */
  readonly gradientNorm: number;
  /** The task's metrics on the last batch, before the update. */
  readonly metrics: Readonly<Record<string, HostTensor>>;
}

/** One training step, compiled: forward, backward, clipping and update are one program. */
export interface TrainStep {
  /** All parameters, in the order in which the graph asks for them. */
  readonly parameters: readonly Parameter[];
  /**
   * The state after one update. Takes one batch, or `accumulate` of them. Nothing is written into the given state, nor into the feeds;
   * do not write into either before the promise resolves. Throws an InputError for a state of another task or optimiser.
   */
  run(state: TrainState, feeds: Feeds | readonly Feeds[], learningRate: number): Promise<StepResult>;
}

/**
 * Compiles a training step. With `accumulate` n a second program adds up the gradients of the first n − 1 batches; all batches weigh the
 * same, so the mean over equal ones is that of one big batch. Throws an InputError for options out of range, a ShapeError for a loss
 * that cannot be differentiated.
 */
export async function compileStep(runtime: Runtime, task: Task, options: StepOptions): Promise<TrainStep> {
  return compilePlan(runtime, planStep(task, options));
}

/** Compiles a step that has been planned. */
export async function compilePlan(runtime: Runtime, plan: StepPlan): Promise<TrainStep> {
  const { task, optimizer, accumulate, parameters, trained, kept } = plan;
  const graph = lower(plan.update, { weights: 'inputs' });
  const update = await runtime.compile(graph);
  const gather = plan.gather && (await runtime.compile(lower(plan.gather, { weights: 'inputs' })));
  const zeros = gather && trained.map(({ shape }) => hostOf(shape, new Float32Array(elementsOf(shape))));
  const read = new Set(graph.inputs.map(({ name }) => name));

  /** What is fed beside batch and weights; an optimiser that does not count steps has no input for them. */
  function ownFeeds({ step, slots }: TrainState, learningRate: number): Record<string, HostTensor> {
    const fed: Record<string, HostTensor> = {};
    if (read.has(names.learningRate)) fed[names.learningRate] = hostOf([], Float32Array.of(learningRate));
    if (read.has(names.step)) fed[names.step] = { type: 'float64', shape: [], data: Float64Array.of(step + 1) };
    trained.forEach((parameter, i) => {
      for (const slot of slotsOf(optimizer, parameter))
        if (read.has(names.slotIn(slot, i)))
          fed[names.slotIn(slot, i)] = hostOf(parameter.shape, arrayOf(slots, 'slot', slotName(slot, parameter.name)));
    });
    return fed;
  }

  function collect(state: TrainState, made: Feeds): TrainState {
    const values = new Map(state.parameters);
    const slots = new Map(state.slots);
    trained.forEach((parameter, i) => {
      values.set(parameter.name, made[names.value(i)]!.data as Float32Array<ArrayBuffer>);
      for (const slot of slotsOf(optimizer, parameter))
        slots.set(slotName(slot, parameter.name), made[names.slotOut(slot, i)]!.data as Float32Array<ArrayBuffer>);
    });
    for (const { name } of kept) values.set(name, made[names.buffer(name)]!.data as Float32Array<ArrayBuffer>);
    return { step: state.step + 1, parameters: values, slots };
  }

  return {
    parameters,
    async run(state, given, learningRate) {
      const batches: readonly Feeds[] = Array.isArray(given) ? given : [given as Feeds];
      const place = `step ${state.step + 1}`;
      if (!(learningRate >= 0 && learningRate < Number.POSITIVE_INFINITY))
        throw new InputError(`${place}: expected a learning rate of at least 0, got ${learningRate}`);
      if (batches.length !== accumulate)
        throw new InputError(
          `${place}: expected as many batches as accumulate says, ${accumulate}, got ${batches.length}`,
        );
      const asFeeds = (sums: readonly HostTensor[] = []) =>
        Object.fromEntries(sums.map((values, i) => [names.sumIn(i), values]));
      let gathered = zeros;
      let loss = 0;
      for (const batch of batches.slice(0, -1)) {
        const made = await gather!.run({ ...batch, ...asFeeds(gathered), ...weightFeeds(gather!, state.parameters) });
        gathered = trained.map((_, i) => made[names.sumOut(i)]!);
        loss += numberOf(made.loss!);
      }
      const made = await update.run({
        ...batches.at(-1)!,
        ...asFeeds(gathered),
        ...ownFeeds(state, learningRate),
        ...weightFeeds(update, state.parameters),
      });
      const metrics = Object.keys(task.metrics ?? {}).map((name) => [name, made[names.metric(name)]!] as const);
      return {
        state: collect(state, made),
        loss: (loss + numberOf(made.loss!)) / accumulate,
        gradientNorm: numberOf(made.gradientNorm!),
        metrics: Object.fromEntries(metrics),
      };
    },
  };
}
