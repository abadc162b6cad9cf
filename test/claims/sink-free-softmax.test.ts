import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/sink-free-softmax.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { judged, labelsOf, runOf, toyRun } from './made-up.ts';

const run = (firstElsewhere: number, more: Record<string, number> = {}) =>
  toyRun({ firstElsewhere, triggerLoss: 0.002, otherLoss: 2.397, ...more });

const asTheCard: Record<string, ToyFigures> = {
  softmax: run(0.86),
  softmax1: run(0.003, { massElsewhere: 0, sinkElsewhere: 1 }),
  'sink logit': run(0, { massElsewhere: 0.051, sinkElsewhere: 0.949 }),
  'K bias': run(0.006, { massElsewhere: 0.044, sinkElsewhere: 0.956 }),
  'KV bias': run(0.03, { massElsewhere: 0.14, sinkElsewhere: 0.86, triggerLoss: 0.03 }),
  softpick: run(0, { massElsewhere: 0.03 }),
  'sigmoid, b = −ln n': run(0.01, { massElsewhere: 0 }),
  'sigmoid, b = 0': run(0.05, { massElsewhere: 0.19, triggerLoss: 0.05 }),
  'relu / n': run(0, { massElsewhere: 0 }),
  'relu² / n': run(0, { massElsewhere: 0, triggerLoss: 0.03 }),
  'clipped softmax, α = 4': run(0.11, { massElsewhere: 0.12 }),
  'gate by head, slice': run(0, { gateElsewhere: 0.1 }),
  'V bias': run(0.98),
  'sigmoid, normalised': run(0.8),
};

const verdict = (change: Record<string, ToyFigures> = {}) =>
  judged(claim, 'sink-gone', { ...asTheCard, ...change }).verdict;

describe('the claim of the sink-free normalisers', () => {
  it('has valid settings: everything at night, fewer arms in minutes, the controls in both', () => {
    const night = labelsOf(claim, 'night')['sink-gone']!;
    const minutes = labelsOf(claim, 'minutes')['sink-gone']!;
    expect(night).toEqual(Object.keys(asTheCard));
    expect(minutes).toHaveLength(9);
    for (const labels of [night, minutes])
      expect(labels).toEqual(expect.arrayContaining(['V bias', 'sigmoid, normalised']));
  });

  it('is shown by the figures of its card, also with the arms of the minutes alone', () => {
    expect(verdict()).toBe('shown');
    const minutes = labelsOf(claim, 'minutes')['sink-gone']!;
    const some = Object.fromEntries(minutes.map((label) => [label, asTheCard[label]!]));
    expect(judged(claim, 'sink-gone', some).verdict).toBe('shown');
  });

  it('is not when a sink stays, a control loses it, or the loss pays', () => {
    expect(verdict({ 'sink logit': run(0.6, { massElsewhere: 0.9, sinkElsewhere: 0.1 }) })).toBe('in part');
    expect(verdict({ 'V bias': run(0.1) })).toBe('in part');
    expect(verdict({ 'relu / n': run(0, { massElsewhere: 0, triggerLoss: 1 }) })).toBe('in part');
    expect(verdict({ 'gate by head, slice': run(0, { gateElsewhere: 0.1, otherLoss: 2.6 }) })).toBe('in part');
  });

  it('takes a high share of next to nothing for no sink', () => {
    expect(verdict({ 'relu / n': run(0.9, { massElsewhere: 0.001 }) })).toBe('shown');
    expect(verdict({ 'relu / n': run(0.9, { massElsewhere: 0.5 }) })).toBe('in part');
  });
});

describe('smaller outliers', () => {
  const model = (largest: number, sinkRate = 0) => toyRun({ sinkRate, largest, kurtosis: 10, heldOutLoss: 2 });
  const outliers = (softmax: ToyFigures, other: number) =>
    judged(claim, 'smaller-outliers', {
      softmax,
      'sink logit': model(other),
      'gate by head, slice': model(other),
    }).verdict;

  it('are shown by a maximum half as large, and only where softmax has a sink', () => {
    expect(outliers(model(100, 0.4), 20)).toBe('shown');
    expect(outliers(model(100, 0.4), 80)).toBe('not shown at this scale');
    expect(outliers(model(100, 0.01), 20)).toBe('not shown at this scale');
  });

  it('are read from held-out texts: an untrained model has no sink and no outliers', async () => {
    const { values } = await runOf<ToyFigures>(claim, 'smaller-outliers', 'sink logit', { share: 1 / 1500 });
    expect(values.sinkRate).toBe(0);
    expect(values.largest).toBeGreaterThan(2);
    expect(values.largest).toBeLessThan(10);
    // Of normal numbers, as the embeddings are: 3.
    expect(values.kurtosis).toBeGreaterThan(2);
    expect(values.kurtosis).toBeLessThan(5);
    expect(values.heldOutLoss).toBeGreaterThan(3);
  });
});
