import { InputError } from '../error.ts';
import type { Parameter } from './parameter.ts';
import { elementsOf } from './state.ts';
import type { Initial } from './task.ts';

export interface InitialOptions {
  /** Standard deviation of matrices and tables. Default 0.02. */
  readonly deviation?: number;
  /**
   * Divide the deviation of matrices that write to the residual stream (attention output, feed-forward output) by √(2 L), as GPT-2 does.
   * Default false.
   */
  readonly scaleResidual?: boolean;
  /** Weights of norms. Default 1; 0 where the family adds one to what is stored. */
  readonly norm?: number;
}

/** Matrices and tables from N(0, deviation²), weights of norms `norm`, biases and learned sinks 0. */
export function normalInitial(parameters: readonly Parameter[], options: InitialOptions = {}): Initial {
  const { deviation = 0.02, scaleResidual = false, norm = 1 } = options;
  if (!(deviation >= 0 && deviation < Number.POSITIVE_INFINITY))
    throw new InputError(`initial values: deviation must be a number of at least 0, got ${deviation}`);
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const layers = new Set(parameters.flatMap(({ name }) => /\.(\d+)\./.exec(name)?.[1] ?? [])).size;
  return (name, shape, random) => {
    const values = new Float32Array(elementsOf(shape));
    const parameter = byName.get(name);
    if (!parameter) throw new InputError(`initial values: the task has no parameter ${name}`);
    if (parameter.role === 'vector') return values.fill(/weight$/.test(name) ? norm : 0);
    const scale = scaleResidual && writesResidual(parameter) ? deviation / Math.sqrt(2 * layers) : deviation;
    for (let i = 0; i < values.length; i++) values[i] = scale * random();
    return values;
  };
}

/** A matrix of a layer whose results are the model width M alone. */
function writesResidual({ name, axes, role, inputAxes, batchAxes }: Parameter): boolean {
  const results = [...axes.keys()].filter((axis) => !inputAxes.includes(axis) && !batchAxes.includes(axis));
  return role === 'matrix' && /\.\d+\./.test(name) && results.length === 1 && results[0] === 'M';
}
