import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/goat.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { seededRandom } from '../../src/random.ts';
import { copyMixture, copyMixtureLength as T } from '../../src/train/toys/copy-mixture.ts';
import { judged, labelsOf, runOf, toyRun } from './made-up.ts';

/** Mean of 1 / (t + 1) over the queries that are looked at. */
const uniform = Array.from({ length: T - 8 }, (_, i) => 1 / (i + 9)).reduce((a, b) => a + b, 0) / (T - 8);

describe('copy mixture', () => {
  const rows = () => {
    const { data } = copyMixture().sample(seededRandom(1), 1000).ids!;
    const ids = Array.from(data as BigInt64Array, Number);
    return Array.from({ length: 1000 }, (_, b) => ids.slice(b * (T + 1), (b + 1) * (T + 1)));
  };

  it('has each token the first one, the one before, or any, in shares 0.4, 0.4 and 0.2', () => {
    const counts = { all: 0, first: 0, last: 0 };
    for (const row of rows())
      for (let t = 2; t <= T; t++) {
        if (row[t - 1] === row[0]) continue;
        counts.all++;
        if (row[t] === row[0]) counts.first++;
        if (row[t] === row[t - 1]) counts.last++;
      }
    expect(counts.all).toBeGreaterThan(10_000);
    expect(Math.abs(counts.first / counts.all - (0.4 + 0.2 / 32))).toBeLessThan(0.015);
    expect(Math.abs(counts.last / counts.all - (0.4 + 0.2 / 32))).toBeLessThan(0.015);
  });

  it('begins with any of 32 tokens alike', () => {
    const found = new Array<number>(32).fill(0);
    for (const [first] of rows()) found[first!]!++;
    expect(Math.min(...found)).toBeGreaterThan(10);
    expect(Math.max(...found)).toBeLessThan(60);
  });
});

describe('attention before anything is learnt', () => {
  const atFirstStep = (label: string) =>
    runOf<ToyFigures>(claim, 'default-in-prior', label, { share: 1 / 2000, heldOut: 32 });

  it('is about uniform, by content, by the prior alone and by both', async () => {
    const { values } = await atFirstStep('learned');
    expect(values.heldOutFirstByScores).toBeCloseTo(uniform, 1);
    // The prior starts with a slight preference for what is near: a slope of 2⁻⁸ a token.
    expect(values.firstByPrior).toBeLessThan(uniform);
    expect(values.firstByPrior).toBeGreaterThan(0.85 * uniform);
  });

  it('is that of content where the prior is frozen at zero, and has no prior to show', async () => {
    const { values } = await atFirstStep('frozen');
    expect(values.heldOutFirst).toBeCloseTo(values.heldOutFirstByScores!, 6);
    expect(values).not.toHaveProperty('firstByPrior');
    expect((await atFirstStep('RoPE')).values).not.toHaveProperty('firstByPrior');
  });
});

it('a learned prior finds the first position in 200 steps, content does not', async () => {
  const { values } = await runOf<ToyFigures>(claim, 'default-in-prior', 'learned', { share: 0.1, heldOut: 64 });
  expect(values.firstByPrior).toBeGreaterThan(0.5);
  expect(values.heldOutFirst).toBeGreaterThan(0.5);
  expect(values.heldOutFirstByScores).toBeLessThan(0.2);
}, 120_000);

describe('the claim of GOAT', () => {
  const mixture = (heldOutFirst: number, heldOutLoss: number, more: Record<string, number> = {}) =>
    toyRun({ heldOutFirst, heldOutLoss, heldOutFirstByScores: heldOutFirst, ...more });
  const asTheCard = {
    learned: mixture(0.976, 1.413, { heldOutFirstByScores: 0.042, firstByPrior: 0.978 }),
    RoPE: mixture(0.048, 1.46),
    frozen: mixture(0.036, 1.473),
  };
  const verdict = (change: Partial<typeof asTheCard> = {}) =>
    judged(claim, 'default-in-prior', { ...asTheCard, ...change }).verdict;

  it('has valid settings', () => {
    for (const size of ['minutes', 'night'] as const)
      expect(labelsOf(claim, size)).toEqual({
        'default-in-prior': ['learned', 'RoPE', 'frozen'],
        'sink-leaves-bos': ['softmax', 'goat'],
      });
  });

  it('is shown by the figures of its card', () => {
    expect(verdict()).toBe('shown');
  });

  it('is not when content holds the default, or the frozen prior does as well', () => {
    expect(verdict({ learned: mixture(0.976, 1.413, { heldOutFirstByScores: 0.9, firstByPrior: 0.05 }) })).toBe(
      'in part',
    );
    expect(verdict({ frozen: mixture(0.97, 1.413) })).toBe('in part');
  });

  it('leaves BOS at equal loss, or not', () => {
    const of = (firstElsewhere: number, languageLoss: number) =>
      toyRun({ firstElsewhere, languageLoss, firstAtTriggers: 0, triggerLoss: 0.01 });
    const leaves = (goat: ToyFigures) => judged(claim, 'sink-leaves-bos', { softmax: of(0.86, 2), goat }).verdict;
    expect(leaves(of(0, 2.01))).toBe('shown');
    expect(leaves(of(0.86, 2))).toBe('in part');
    expect(leaves(of(0, 2.2))).toBe('in part');
  });
});
