import { beforeAll, describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/structural-origin.ts';
import type { NearInitialisation } from '../../src/claims/near-initialisation.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { judged, labelsOf, runOf, toyRun } from './made-up.ts';

const arms = ['softmax', 'head-wise RMSNorm', 'one token alone'] as const;

describe('variance near initialisation', () => {
  const runs: Record<string, NearInitialisation> = {};
  beforeAll(async () => {
    for (const arm of arms) runs[arm] = await runOf(claim, 'variance-discrepancy', arm, {});
  }, 120_000);

  it('has valid settings', () => {
    for (const size of ['minutes', 'night'] as const)
      expect(labelsOf(claim, size)).toEqual({
        'variance-discrepancy': [...arms],
        'sink-reduced': ['softmax', 'head-wise RMSNorm'],
      });
  });

  it('falls as 1 / (t + 1) for softmax and is flat after head-wise RMSNorm', () => {
    const { variance } = runs.softmax!;
    for (const t of [1, 5, 10, 31]) expect(Math.abs((variance[t]! * (t + 1)) / variance[0]! - 1)).toBeLessThan(0.2);
    const normed = runs['head-wise RMSNorm']!.variance;
    expect(Math.max(...normed) / Math.min(...normed)).toBeLessThan(1.3);
  });

  it('a token that sees itself alone keeps the variance of the first, and its neighbours do not', () => {
    const { variance, squares } = runs['one token alone']!;
    expect(squares[10]).toBe(1);
    expect(variance[10]! / variance[0]!).toBeCloseTo(1, 1);
    expect(variance[9]! / variance[0]!).toBeLessThan(0.13);
    expect(variance[11]! / variance[0]!).toBeLessThan(0.12);
  });

  it('is shown with one seed in a second, without any training', () => {
    expect(judged(claim, 'variance-discrepancy', runs)).toMatchObject({ verdict: 'shown' });
  });

  it('is not shown when the norm changes nothing, or when the lonely token changes nothing', () => {
    const { softmax } = runs;
    const verdict = (change: object) => judged(claim, 'variance-discrepancy', { ...runs, ...change }).verdict;
    expect(verdict({ 'head-wise RMSNorm': softmax })).toBe('in part');
    expect(verdict({ 'one token alone': softmax })).toBe('in part');
    expect(verdict({ softmax: runs['head-wise RMSNorm'] })).toBe('in part');
  });
});

describe('the sink of head-wise RMSNorm', () => {
  const run = (sinkRate: number, valueRatio: number) => toyRun({ sinkRate, valueRatio, languageLoss: 2 });
  const verdict = (normed: ToyFigures) =>
    judged(claim, 'sink-reduced', { softmax: run(0.98, 0.22), 'head-wise RMSNorm': normed }).verdict;

  it('is reduced by the figures of the card, neither kept nor gone', () => {
    expect(verdict(run(0.45, 1.69))).toBe('shown');
    expect(verdict(run(0.98, 0.22))).toBe('in part');
    expect(verdict(run(0, 1.69))).toBe('in part');
  });

  it('has its figures from the first step on', async () => {
    const { values, untrained } = await runOf<ToyFigures>(claim, 'sink-reduced', 'head-wise RMSNorm', {
      share: 1 / 1600,
    });
    expect(values.sinkRate).toBe(0);
    expect(untrained.valueRatio).toBeGreaterThan(0.5);
  }, 60_000);
});
