import { expect, it } from 'vitest';
import { toyResultSchema } from '../../src/claims/toy-experiment.ts';
import { overSeeds, spread } from '../../src/report/over-seeds.ts';

const run = {
  values: { loss: Number.NaN, steps: 3 },
  untrained: { loss: 4.1 },
  gradientNorm: { mean: Number.NaN, largest: Number.POSITIVE_INFINITY },
  ...{ parameters: 10, steps: 5, seconds: 1 },
};

it('a run that diverged is a result: its figures are NaN, also when they were kept as JSON', () => {
  const kept = toyResultSchema.parse(JSON.parse(JSON.stringify(run)));
  expect(kept).toEqual({ ...run, gradientNorm: { mean: Number.NaN, largest: Number.NaN } });
  expect(toyResultSchema.safeParse({ ...run, gradientNorm: { mean: Number.NaN, largest: 1 } }).success).toBe(true);
});

it('a table says diverged where one of the seeds did', () => {
  expect(spread(overSeeds([0.4, Number.NaN]), (value) => value.toFixed(2))).toBe('1 of 2 diverged');
  expect(spread(overSeeds([0.4, 0.6]), (value) => value.toFixed(2))).toBe('0.50 ± 0.14');
});
