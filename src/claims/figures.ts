import type { Figure } from './claim.ts';
import type { ToyFigures } from './toy-experiment.ts';

/** Figures of the bigram toys that many claims speak of. */
export const [elsewhere, atTriggers] = ['firstElsewhere', 'firstAtTriggers'] as const;

export const average = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((a, b) => a + b, 0) / values.length;

/** Mean over seeds of one figure, NaN where a run diverged; throws an Error where a run has none, so that a typing error is no verdict. */
export function meanOf(runs: readonly ToyFigures[], name: string): number {
  return average(valuesOf(runs, name));
}

export function valuesOf(runs: readonly ToyFigures[], name: string): number[] {
  return runs.map(({ values }) => {
    const value = values[name];
    if (value === undefined) throw new Error(`a run has no figure ${name}; it has ${Object.keys(values).join(', ')}`);
    return value;
  });
}

/** A figure of a toy, for a judgement. */
export function figure(
  about: string,
  runs: readonly ToyFigures[],
  name: string,
  expected?: string,
  control?: 'control',
): Figure {
  return figureOf(about, valuesOf(runs, name), expected, control);
}

/** One number of a judgement, with what the card has for it. */
export const figureOf = (about: string, values: readonly number[], expected?: string, control?: 'control'): Figure => ({
  ...{ about, values },
  ...(expected === undefined ? {} : { expected }),
  ...(control ? { control: true as const } : {}),
});
