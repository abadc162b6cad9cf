import { InputError } from '../error.ts';
import { multiply, type Output } from '../tensor/index.ts';
import { checkWhole } from './check.ts';
import type { Decay } from './decay.ts';
import type { Optimizer } from './optimizer.ts';
import { type Parameter, parametersOf } from './parameter.ts';
import { bufferOutputs, parameterGradients, sumOutputs, updateOutputs, withSums } from './step-graph.ts';
import type { Task } from './task.ts';

export interface StepOptions {
  readonly optimizer: Optimizer;
  /** Decoupled weight decay: one number for matrices and tables (vectors none), or a function. Default 0. */
  readonly decay?: Decay;
  /** Largest norm of the gradient of all parameters together; a longer one is scaled down to it. Default: no clipping. */
  readonly clip?: number;
  /** Batches whose mean gradient makes one update. Default 1. */
  readonly accumulate?: number;
  /** Which parameters are updated; the others stay as they are. Default all. */
  readonly trainable?: (parameter: Parameter) => boolean;
}

/** A training step before it is compiled. */
export interface StepPlan {
  readonly task: Task;
  readonly optimizer: Optimizer;
  readonly accumulate: number;
  /** All parameters, in the order in which the graph asks for them. */
  readonly parameters: readonly Parameter[];
  /** Those that are updated. */
  readonly trained: readonly Parameter[];
  /** Those that hold running values instead: the task's buffers. With accumulation the last batch sets them. */
  readonly kept: readonly Parameter[];
  /** Forward, backward, clipping and update of the last batch. */
  readonly update: Readonly<Record<string, Output>>;
  /** Gradients of the batches before it added up; undefined without accumulation. */
  readonly gather: Readonly<Record<string, Output>> | undefined;
}

/** The graphs of a step. Throws an InputError for options out of range, a ShapeError for a loss that cannot be differentiated. */
export function planStep(task: Task, options: StepOptions): StepPlan {
  const { optimizer, decay = 0, clip, accumulate = 1, trainable = () => true } = options;
  checkWhole('compileStep', 'accumulate', accumulate, 1);
  if (clip !== undefined && !(clip > 0 && clip < Number.POSITIVE_INFINITY))
    throw new InputError(`compileStep: clip must be a number above 0, got ${clip}`);
  const parameters = parametersOf([task.loss]);
  const buffers = task.buffers ?? {};
  for (const name of Object.keys(buffers))
    if (!parameters.some((parameter) => parameter.name === name))
      throw new InputError(`task: buffer ${name} is no weight that the loss reads, so its next value would go nowhere`);
  const kept = parameters.filter(({ name }) => Object.hasOwn(buffers, name));
  const trained = parameters.filter((parameter) => !kept.includes(parameter) && trainable(parameter));
  if (trained.length === 0) throw new InputError('compileStep: none of the parameters is trainable');
  const own = parameterGradients(task.loss, trained);
  const sums = accumulate === 1 ? own : withSums(own, trained);
  const mean = accumulate === 1 ? own : sums.map((total) => multiply(total, 1 / accumulate));
  const update = {
    ...updateOutputs(task, trained, mean, { optimizer, decay, clip }),
    ...bufferOutputs(buffers, kept),
  };
  const gather = accumulate === 1 ? undefined : { loss: { value: task.loss }, ...sumOutputs(sums, trained) };
  return { task, optimizer, accumulate, parameters, trained, kept, update, gather };
}
