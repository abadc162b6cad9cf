import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/rcmha.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { judged, labelsOf, runOf, toyRun } from './made-up.ts';

const small = { L: 1, M: 16, T: 8, batch: 2, steps: 2 };
const four = ['MHA', 'MDHA', 'RMHA', 'RCMHA'];

describe('the settings of RCMHA', () => {
  it('are valid and hold the arm without past taps', () => {
    for (const size of ['minutes', 'night'] as const)
      expect(labelsOf(claim, size)).toEqual({
        'accuracy-order': [...four, 'no past taps'],
        'convolution-early': four,
        'longer-texts': four,
      });
  });
});

describe('the order of accuracies', () => {
  const arm = (heldOutAccuracy: number, heldOutLoss: number, permutedLoss = 3) =>
    toyRun({ heldOutAccuracy, heldOutLoss, permutedLoss, first: 0.1, activationMegabytes: 10 });
  const expected = {
    MHA: arm(0.44, 2),
    MDHA: arm(0.46, 1.9),
    RMHA: arm(0.455, 1.92),
    RCMHA: arm(0.47, 1.85),
    'no past taps': arm(0.455, 1.92),
  };
  const order = (change: Partial<typeof expected> = {}) =>
    judged(claim, 'accuracy-order', { ...expected, ...change }).verdict;

  it('is shown by what the card expects', () => {
    expect(order()).toBe('shown');
  });

  it('is shown in part when a control does not take the gain away, and not at all when the opposite is found', () => {
    expect(order({ RMHA: arm(0.455, 1.92, 1.95) })).toBe('in part');
    expect(order({ 'no past taps': arm(0.47, 1.85) })).toBe('in part');
    expect(
      order({ MHA: arm(0.5, 1.8), RCMHA: arm(0.4, 2.2), 'no past taps': arm(0.4, 2.2), RMHA: arm(0.455, 1.92, 1.7) }),
    ).toBe('not shown at this scale');
  });
});

describe('learning early', () => {
  const early = (MHA: number, MDHA: number, RMHA: number, RCMHA: number) =>
    judged(
      claim,
      'convolution-early',
      Object.fromEntries(Object.entries({ MHA, MDHA, RMHA, RCMHA }).map(([k, v]) => [k, toyRun({ heldOutLoss: v })])),
    ).verdict;

  it('is shown when both arms with a convolution are ahead', () => {
    expect(early(2.4, 2.3, 2.4, 2.2)).toBe('shown');
    expect(early(2.4, 2.3, 2.2, 2.3)).toBe('in part');
    expect(early(2.4, 2.5, 2.2, 2.3)).toBe('not shown at this scale');
  });
});

describe('longer texts', () => {
  const longer = (absolute: number, relative: number) => {
    const of = (rise: number) => toyRun({ heldOutLoss: 2, lossBeyond: 2 + rise });
    return judged(claim, 'longer-texts', {
      ...{ MHA: of(absolute), MDHA: of(absolute), RMHA: of(relative), RCMHA: of(relative) },
    }).verdict;
  };

  it('are shown to hurt absolute positions alone', () => {
    expect(longer(1.5, 0)).toBe('shown');
    expect(longer(0, 0)).toBe('in part');
    expect(longer(0, 1)).toBe('not shown at this scale');
  });
});

describe('a run', () => {
  it('with relative tables changes when distances are mixed up, and needs more memory with a convolution', async () => {
    const relative = await runOf<ToyFigures>(claim, 'accuracy-order', 'RMHA', small);
    const both = await runOf<ToyFigures>(claim, 'accuracy-order', 'RCMHA', small);
    expect(relative.values.permutedLoss).not.toBe(relative.values.heldOutLoss);
    expect(relative.values.permutedLoss).toBeCloseTo(relative.values.heldOutLoss!, 1);
    expect(both.values.activationMegabytes).toBeGreaterThan(relative.values.activationMegabytes!);
    // One filter of three taps and its bias for queries, keys and values of two components.
    expect(both.parameters - relative.parameters).toBe(3 * 2 * (3 + 1));
  });

  it('with absolute positions has a table for 256 of them, and figures beyond the length of training', async () => {
    const plain = await runOf<ToyFigures>(claim, 'accuracy-order', 'MHA', small);
    expect(plain.values).not.toHaveProperty('permutedLoss');
    expect(plain.values.lossBeyond).toBeGreaterThan(1);
  });
});
