import { InputError } from '../error.ts';
import { normal, seededRandom, seedFor } from '../random.ts';
import { type Optimizer, slotsOf } from './optimizer.ts';
import { type Parameter, parametersOf } from './parameter.ts';
import type { Task } from './task.ts';

/** Everything that one step hands to the next. Arrays are never written into. */
export interface TrainState {
  /** Updates done. */
  readonly step: number;
  readonly parameters: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  /** By `slotName`. */
  readonly slots: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
}

/** Key of a parameter's state array: `m model.norm.weight`. */
export const slotName = (slot: string, parameter: string): string => `${slot} ${parameter}`;

export const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/**
 * State before the first step: parameters as the task says, each from a random stream of its own, slots zero.
 * Throws an InputError when an initial value has another length than its shape.
 */
export function initialState(task: Task, optimizer: Optimizer, seed: number): TrainState {
  const all = parametersOf([task.loss]);
  const parameters = new Map(
    all.map(({ name, shape }) => {
      const values = task.initial(name, shape, normal(seededRandom(seedFor(seed, 'initial', name))));
      if (!(values instanceof Float32Array) || values.length !== elementsOf(shape))
        throw new InputError(
          `initial value of ${name}: expected a Float32Array of ${elementsOf(shape)} for [${shape.join(', ')}], got ${values?.length}`,
        );
      return [name, values] as const;
    }),
  );
  return { step: 0, parameters, slots: freshSlots(all, optimizer) };
}

/** Slots of zeros for some parameters. */
export function freshSlots(parameters: readonly Parameter[], optimizer: Optimizer): TrainState['slots'] {
  return new Map(
    parameters.flatMap((parameter) =>
      slotsOf(optimizer, parameter).map(
        (slot) => [slotName(slot, parameter.name), new Float32Array(elementsOf(parameter.shape))] as const,
      ),
    ),
  );
}
