import { fromBlocks, toEightBits, toFourBits } from '../load/weight-blocks.ts';
import { changedWeights } from './changed-weights.ts';
import { matrixWeights } from './matrices.ts';
import { everyValue, type Model } from './model.ts';

/** Bits that matrices are rounded to. */
export const roundings = ['int8', 'int4'] as const;
export type Rounding = (typeof roundings)[number];

/**
 * The same model with its matrices rounded in blocks of 32 along their rows, as streams hold them (8 bits: scale = max |x| / 127; 4 bits: between
 * the least and the greatest value). Products are computed in float32 from the rounded numbers, so what changes is what rounding the weights
 * does, and nothing else. Norms, biases, and matrices whose rows are no multiple of 32 stay as they are.
 */
export function roundedWeights(model: Model, rounding: Rounding): Model {
  const { columns } = matrixWeights(everyValue(model.stack));
  const blocks = rounding === 'int8' ? toEightBits : toFourBits;
  return changedWeights(model, (name, values) =>
    (columns.get(name) ?? 1) % 32 === 0 ? fromBlocks(blocks(values)) : values,
  );
}
