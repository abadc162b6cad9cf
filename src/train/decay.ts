import { InputError } from '../error.ts';
import type { Parameter } from './parameter.ts';

/** Weight decay λ: one number for matrices and tables, nothing for vectors; or a number for each parameter. */
export type Decay = number | ((parameter: Parameter) => number);

export function decayOf(decay: Decay, parameter: Parameter): number {
  const value = typeof decay === 'function' ? decay(parameter) : parameter.role === 'vector' ? 0 : decay;
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY))
    throw new InputError(`weight decay of ${parameter.name}: expected a number of at least 0, got ${value}`);
  return value;
}
