import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/in-context-linear-regression.ts';
import { testedLengths } from '../../src/claims/in-context-regression.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { judged, labelsOf, runOf, toyRun } from './made-up.ts';

const byLength = (name: string, values: readonly number[]) =>
  Object.fromEntries(testedLengths.map((length, i) => [`${name}${length}`, values[i]!]));

const figures = {
  'two heads': {
    ...{ omega1: -0.174, omega2: 0.172, mu1: -2.5, mu2: 2.52, muTotal: 0.02, omegaSize: 0.173, muSize: 2.51 },
    ...{ offDiagonal: 0.007, covariateWeight: 0.03, reduced: 0.241, debiased: 0.241, descent: 0.238, ridge: 0.116 },
    ...byLength('risk', [0.372, 0.241, 0.178, 0.147, 0.13]),
    ...byLength('linear', [0.493, 0.238, 0.86, 6.6, 35]),
  },
  'one head': { omegaSize: 0.515, muSize: 1.49, ...byLength('risk', [0.577, 0.403, 0.306, 0.238, 0.201]) },
  'labels of noise': { omegaSize: 0.01, muSize: 0.06 },
};

type Label = keyof typeof figures;
const verdict = (name: string, change: Partial<Record<Label, Record<string, number>>> = {}) => {
  const labels = labelsOf(claim, 'minutes')[name] as Label[];
  const runs = labels.map((label) => [label, toyRun({ ...figures[label], ...change[label] })]);
  return judged(claim, name, Object.fromEntries(runs)).verdict;
};

describe('the claim of in-context linear regression', () => {
  it('has valid settings, the control among them', () => {
    for (const size of ['minutes', 'night'] as const)
      expect(labelsOf(claim, size)).toEqual({
        'heads-pair-up': ['two heads', 'one head', 'labels of noise'],
        'one-debiased-step': ['two heads', 'one head'],
        'longer-texts': ['two heads', 'one head'],
      });
  });

  it('is shown by the figures of its card', () => {
    for (const { name } of claim.statements) expect(verdict(name)).toBe('shown');
  });

  it('heads are no pair when both have one sign, differ in size, do not cancel, or when noise has one too', () => {
    const without = (two: Record<string, number>) => verdict('heads-pair-up', { 'two heads': two });
    expect(without({ omega2: -0.172, mu2: -2.52 })).toBe('in part');
    expect(without({ mu1: 2.5 })).toBe('in part');
    expect(without({ omega1: -0.2 })).toBe('in part');
    expect(without({ muTotal: 0.2 })).toBe('in part');
    expect(verdict('heads-pair-up', { 'labels of noise': { omegaSize: 0.17, muSize: 2.5 } })).toBe('in part');
  });

  it('one head that is as good as two speaks against all of it', () => {
    const same = { 'one head': byLength('risk', [0.372, 0.241, 0.178, 0.147, 0.13]) };
    for (const { name } of claim.statements) expect(verdict(name, same)).toBe('in part');
  });

  it('heads that get worse with length, as linear attention does, are not shown to last', () => {
    const linear = byLength('risk', [0.493, 0.238, 0.86, 6.6, 35]);
    expect(verdict('longer-texts', { 'two heads': linear })).toBe('in part');
    const lasting = byLength('linear', [0.372, 0.241, 0.178, 0.147, 0.13]);
    expect(verdict('longer-texts', { 'two heads': lasting })).toBe('in part');
  });
});

describe('risks of trained heads', () => {
  const small = { steps: 20, learningRate: 1e-3, texts: 600 };

  it('are taken on the same texts as those of known predictors, near the figures of the card', async () => {
    const { values } = await runOf<ToyFigures>(claim, 'longer-texts', 'two heads', small);
    expect(Math.abs(values.ridge! - 0.116)).toBeLessThan(0.02);
    expect(Math.abs(values.descent! - 0.238)).toBeLessThan(0.04);
    expect(Math.abs(values.debiased! - 0.241)).toBeLessThan(0.04);
    expect(values.linear40).toBeCloseTo(values.descent!, 10);
    expect(Math.abs(values.linear80! - 0.86)).toBeLessThan(0.25);
    expect(values.linear320).toBeGreaterThan(20);
    // Hardly trained: what is answered is near 0, and the variance of a label is 1.1.
    expect(Math.abs(values.risk40! - values.loss!)).toBeLessThan(0.2);
    expect(Math.abs(values.risk40! - 1.1)).toBeLessThan(0.3);
    expect(values.muTotal).toBeCloseTo(Math.abs(values.mu1! + values.mu2!), 6);
  });

  it('of labels of noise are not taken: the heads are what counts', async () => {
    const { values } = await runOf<ToyFigures>(claim, 'heads-pair-up', 'labels of noise', small);
    expect(Object.keys(values)).not.toContain('risk40');
    expect(values.omegaSize).toBeCloseTo((Math.abs(values.omega1!) + Math.abs(values.omega2!)) / 2, 1);
  });
});
