import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/affine-scaled-attention.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { judged, labelsOf, runOf, toyRun } from './made-up.ts';

const asTheCard = {
  softmax: toyRun({ firstElsewhere: 0.86, triggerLoss: 0.001 }),
  fixed: toyRun({ weightElsewhere: 0.002, triggerLoss: 0.006, rowSumElsewhere: 0.06 }),
  'scale only': toyRun({ firstElsewhere: 0, triggerLoss: 0.002 }),
  causal: toyRun({ weightElsewhere: 0.94, triggerLoss: 0.012, rowSumElsewhere: 0.97, rowSumAtTriggers: 0.97 }),
};

const verdict = (change: Partial<typeof asTheCard> = {}) =>
  judged(claim, 'sink-gone', { ...asTheCard, ...change }).verdict;

describe('the claim of affine-scaled attention', () => {
  it('has valid settings, the control among them', () => {
    for (const size of ['minutes', 'night'] as const)
      expect(labelsOf(claim, size)).toEqual({ 'sink-gone': ['softmax', 'fixed', 'scale only', 'causal'] });
  });

  it('is shown by the figures of its card, each of them in the judgement', () => {
    const { verdict, figures } = judged(claim, 'sink-gone', asTheCard);
    expect(verdict).toBe('shown');
    expect(figures.find(({ about }) => about === 'N fixed: the same')).toEqual({
      about: 'N fixed: the same',
      values: [0.002],
      expected: '0.002, at most 0.1',
    });
  });

  it('is not when the sink stays, is bought with loss, or the control loses it or its constant sum', () => {
    expect(
      verdict({ fixed: { ...asTheCard.fixed, values: { ...asTheCard.fixed.values, weightElsewhere: 0.5 } } }),
    ).toBe('in part');
    expect(verdict({ fixed: { ...asTheCard.fixed, values: { ...asTheCard.fixed.values, triggerLoss: 0.02 } } })).toBe(
      'in part',
    );
    const causal = (values: Record<string, number>) => toyRun({ ...asTheCard.causal.values, ...values }) as never;
    expect(verdict({ causal: causal({ weightElsewhere: 0.1 }) })).toBe('in part');
    expect(verdict({ causal: causal({ rowSumElsewhere: 0.96 }) })).toBe('in part');
  });

  it('has the signed sums of rows: with N the keys seen they are the same everywhere, with N fixed they are not', async () => {
    const trained = (label: string) => runOf<ToyFigures>(claim, 'sink-gone', label, { share: 20 / 5000 });
    const { values: causal } = await trained('causal');
    expect(causal.rowSumElsewhere).toBeCloseTo(causal.rowSumAtTriggers!, 5);
    // ᾱ starts at 0 and moves a tenth of the way at each step.
    expect(causal.rowSumElsewhere).toBeGreaterThan(0.2);
    expect(causal.rowSumElsewhere).toBeLessThan(0.6);
    const { values: fixed } = await trained('fixed');
    expect(Math.abs(fixed.rowSumElsewhere! - fixed.rowSumAtTriggers!)).toBeGreaterThan(1e-4);
  });
});
