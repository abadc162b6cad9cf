import { multiply, subtract, type Tensor } from '../tensor/index.ts';
import type { Parameter } from './parameter.ts';

/** One parameter at one step, inside the graph. */
export interface ParameterUpdate {
  readonly parameter: Parameter;
  readonly value: Tensor<string>;
  /** Gradient of the mean loss after clipping, with the axes of the value. */
  readonly gradient: Tensor<string>;
  /** By the names that `slotsOf` gives for this parameter. */
  readonly slots: Readonly<Record<string, Tensor<string>>>;
  /** float32, no axes. */
  readonly learningRate: Tensor<never>;
  /** Number of this update, from 1: float64, no axes, so that β^step stays exact. */
  readonly step: Tensor<never>;
  /** Decoupled weight decay of this parameter, λ. */
  readonly decay: number;
}

export interface Optimizer {
  readonly name: string;
  /** Settings that decide the result, for checkpoints and reports. */
  readonly settings: Readonly<Record<string, number | string | boolean>>;
  /** Names of the state arrays, each of its parameter's shape, zero at the start. */
  readonly slots: readonly string[];
  /** Which of them a parameter needs. Default: all. */
  readonly slotsOf?: (parameter: Parameter) => readonly string[];
  /** One update inside the graph. */
  update(p: ParameterUpdate): { value: Tensor<string>; slots: Readonly<Record<string, Tensor<string>>> };
}

/** value · (1 − lr · λ): decoupled weight decay (1711.05101). */
export function decayed({ value, learningRate, decay }: ParameterUpdate): Tensor<string> {
  return decay === 0 ? value : multiply(value, subtract(1, multiply(learningRate, decay)) as never);
}

export const slotsOf = (optimizer: Optimizer, parameter: Parameter) =>
  optimizer.slotsOf?.(parameter) ?? optimizer.slots;
