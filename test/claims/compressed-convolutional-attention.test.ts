import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/compressed-convolutional-attention.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { judged, labelsOf, runOf, toyRun } from './made-up.ts';

const small = { L: 1, M: 32, T: 8, batch: 2, steps: 2 };

describe('the settings of compressed convolutional attention', () => {
  it('are valid and hold the control with nothing but norms', () => {
    for (const size of ['minutes', 'night'] as const)
      expect(labelsOf(claim, size)).toEqual({
        gain: ['full GQA', 'CCGQA', 'naive narrow', 'norms alone'],
        'convolutions-carry': ['CCGQA', 'naive narrow', 'no convolutions', 'no mean', 'no value shift'],
      });
  });
});

describe('the gain', () => {
  const gain = (whole: number, norms: number) =>
    judged(claim, 'gain', {
      'full GQA': toyRun({ heldOutLoss: 1.9, first: 0.1, sinkRate: 0 }),
      CCGQA: toyRun({ heldOutLoss: whole, first: 0.1, sinkRate: 0, largestScale: 1 }),
      'naive narrow': toyRun({ heldOutLoss: 2 }),
      'norms alone': toyRun({ heldOutLoss: norms }),
    }).verdict;

  it('is shown by a lower loss than the same widths alone, unless the norms alone bring it', () => {
    expect(gain(1.94, 2)).toBe('shown');
    expect(gain(1.94, 1.94)).toBe('in part');
    expect(gain(1.99, 1.94)).toBe('not shown at this scale');
  });
});

describe('the parts', () => {
  const carry = (without: number, shift: number) =>
    judged(claim, 'convolutions-carry', {
      CCGQA: toyRun({ heldOutLoss: 1.9 }),
      'naive narrow': toyRun({ heldOutLoss: 2 }),
      'no convolutions': toyRun({ heldOutLoss: without }),
      'no mean': toyRun({ heldOutLoss: 1.91 }),
      'no value shift': toyRun({ heldOutLoss: shift }),
    }).verdict;

  it('are carried by the convolutions when leaving these out costs most, and over half of the gain', () => {
    expect(carry(1.97, 1.92)).toBe('shown');
    expect(carry(1.94, 1.92)).toBe('in part');
    expect(carry(1.92, 1.96)).toBe('not shown at this scale');
  });
});

describe('a run', () => {
  it('has a scale of keys that begins at zero and moves, and fewer parameters than at full width', async () => {
    const narrow = await runOf<ToyFigures>(claim, 'gain', 'CCGQA', small);
    expect(narrow.values.largestScale).toBeGreaterThan(0);
    expect(narrow.values.largestScale).toBeLessThan(0.1);
    const bare = await runOf<ToyFigures>(claim, 'gain', 'naive narrow', small);
    expect(bare.values).not.toHaveProperty('largestScale');
    const full = await runOf<ToyFigures>(claim, 'gain', 'full GQA', small);
    // Half of 2 M² and half of 2 M² / 4 in one layer of width 32.
    expect(full.parameters - bare.parameters).toBe(32 ** 2 + 32 ** 2 / 4);
    for (const { values } of [narrow, bare, full]) expect(values.heldOutLoss).toBeGreaterThan(1);
  });
});
