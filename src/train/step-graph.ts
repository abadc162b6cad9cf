import {
  add,
  divide,
  gradients,
  input,
  minimum,
  multiply,
  type Output,
  sqrt,
  sum,
  type Tensor,
  type Within,
} from '../tensor/index.ts';
import { type Decay, decayOf } from './decay.ts';
import { type Optimizer, slotsOf } from './optimizer.ts';
import type { Parameter } from './parameter.ts';
import type { Task } from './task.ts';

/** Names of what goes in and out of the programs of a step beside the task's own inputs; `i` counts trained parameters. */
export const names = {
  learningRate: 'train.learningRate',
  step: 'train.step',
  slotIn: (slot: string, i: number) => `train.slot.${slot}.${i}`,
  slotOut: (slot: string, i: number) => `slot.${slot}.${i}`,
  sumIn: (i: number) => `train.sum.${i}`,
  sumOut: (i: number) => `sum.${i}`,
  value: (i: number) => `parameter.${i}`,
  metric: (name: string) => `metric.${name}`,
  buffer: (name: string) => `buffer.${name}`,
};

/** Gradient of the loss for each parameter: summed over the places where it is used. */
export function parameterGradients(loss: Tensor<never>, parameters: readonly Parameter[]): Tensor<string>[] {
  const found = gradients(
    loss,
    parameters.flatMap(({ nodes }) => nodes),
  ) as unknown as Tensor<string>[];
  let next = 0;
  return parameters.map(({ nodes }) => nodes.map(() => found[next++]!).reduce((total, part) => add(total, part)));
}

const fed = (name: string, { axes }: Parameter) => input(name, Object.fromEntries(axes) as never) as Tensor<string>;
const stored = (value: Within<string>, { axes }: Parameter): Output => ({ value, order: [...axes.keys()] });

/** The gradients plus the sums that are fed. */
export function withSums(gradients: readonly Tensor<string>[], parameters: readonly Parameter[]): Tensor<string>[] {
  return parameters.map((parameter, i) => add(gradients[i]!, fed(names.sumIn(i), parameter)));
}

export function sumOutputs(sums: readonly Tensor<string>[], parameters: readonly Parameter[]): Record<string, Output> {
  return Object.fromEntries(parameters.map((parameter, i) => [names.sumOut(i), stored(sums[i]!, parameter)]));
}

/** The next values of buffers, in their stored order. */
export function bufferOutputs(
  buffers: Readonly<Record<string, Within<string>>>,
  parameters: readonly Parameter[],
): Record<string, Output> {
  return Object.fromEntries(
    parameters.map((parameter) => [names.buffer(parameter.name), stored(buffers[parameter.name]!, parameter)]),
  );
}

export interface UpdateOptions {
  readonly optimizer: Optimizer;
  readonly decay: Decay;
  readonly clip: number | undefined;
}

/** Loss, metrics, the norm of all gradients, and the new value and slots of each parameter. */
export function updateOutputs(
  task: Task,
  parameters: readonly Parameter[],
  gradients: readonly Tensor<string>[],
  { optimizer, decay, clip }: UpdateOptions,
): Record<string, Output> {
  const outputs: Record<string, Output> = { loss: { value: task.loss } };
  for (const [name, value] of Object.entries(task.metrics ?? {})) outputs[names.metric(name)] = { value };
  const squares = gradients.map((g) => sum(multiply(g, g), [...g.node.axes.keys()]) as Tensor<never>);
  const norm = sqrt(squares.reduce((total, square) => add(total, square)));
  outputs.gradientNorm = { value: norm };
  const factor = clip === undefined ? undefined : minimum(divide(clip, add(norm, 1e-6)), 1);
  const learningRate = input(names.learningRate, {});
  const step = input(names.step, {}, 'float64');
  parameters.forEach((parameter, i) => {
    const slots = slotsOf(optimizer, parameter);
    const gradient = factor === undefined ? gradients[i]! : multiply(gradients[i]!, factor as never);
    const updated = optimizer.update({
      parameter,
      value: parameter.nodes[0]!,
      gradient: gradient as Tensor<string>,
      slots: Object.fromEntries(slots.map((slot) => [slot, fed(names.slotIn(slot, i), parameter)])),
      learningRate,
      step,
      decay: decayOf(decay, parameter),
    });
    outputs[names.value(i)] = stored(updated.value, parameter);
    for (const slot of slots) outputs[names.slotOut(slot, i)] = stored(updated.slots[slot]!, parameter);
  });
  return outputs;
}
