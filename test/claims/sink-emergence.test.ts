import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/sink-emergence.ts';
import type { EmergenceResult } from '../../src/claims/emergence/experiment.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { judged, labelsOf, runOf, toyRun } from './made-up.ts';

const averaging = (loss: number, firstElsewhere: number, more: Record<string, number> = {}) =>
  toyRun({ loss, firstElsewhere, firstAtTriggers: 0, variance: 0.055, ...more });

const asTheCard: Record<string, ToyFigures> = {
  'softmax, BOS': averaging(0, 1),
  'softmax, no BOS': averaging(0.04, 0.1),
  'K bias, BOS': averaging(0, 0.02, { sinkElsewhere: 0.98, massElsewhere: 0.02 }),
  'K bias, no BOS': averaging(0, 0, { sinkElsewhere: 1, massElsewhere: 0 }),
  'off-by-one, BOS': averaging(0, 0, { sinkElsewhere: 1, massElsewhere: 0 }),
  'off-by-one, no BOS': averaging(0, 0, { sinkElsewhere: 1, massElsewhere: 0 }),
  'ReLU, BOS': averaging(0, 0, { massElsewhere: 0 }),
  'ReLU, no BOS': averaging(0, 0, { massElsewhere: 0 }),
  'sigmoid, BOS': averaging(0.0095, 0.1, { massElsewhere: 0.02 }),
  'sigmoid, no BOS': averaging(0.0095, 0.1, { massElsewhere: 0.02 }),
};

describe('settings', () => {
  it('are valid: the whole table of averaging in both sizes, the deep control of emergence at night', () => {
    const [minutes, night] = [labelsOf(claim, 'minutes'), labelsOf(claim, 'night')];
    for (const labels of [minutes, night])
      expect([...labels['trigger-averaging']!].sort()).toEqual(Object.keys(asTheCard).sort());
    expect(minutes['backcopy-emerges']).toEqual(['softmax', 'sigmoid', 'no BOS']);
    expect(night['backcopy-emerges']).toEqual([...minutes['backcopy-emerges']!, '3 layers with feed-forward']);
    expect(night['value-drains']).toEqual(['softmax']);
  });
});

describe('the table of trigger averaging', () => {
  const verdict = (change: Record<string, ToyFigures> = {}) =>
    judged(claim, 'trigger-averaging', { ...asTheCard, ...change }).verdict;

  it('is shown by the figures of the card', () => {
    expect(verdict()).toBe('shown');
  });

  it.each([
    ['softmax, no BOS', averaging(0, 0.1)],
    ['softmax, BOS', averaging(0, 0.3)],
    ['K bias, BOS', averaging(0, 0.98, { sinkElsewhere: 0.02, massElsewhere: 0.98 })],
    ['K bias, no BOS', averaging(0.04, 0.1, { sinkElsewhere: 0.3, massElsewhere: 0.7 })],
    ['off-by-one, no BOS', averaging(0, 0, { sinkElsewhere: 0.4, massElsewhere: 0.6 })],
    ['ReLU, BOS', averaging(0, 0.9, { massElsewhere: 0.8 })],
    ['sigmoid, no BOS', averaging(0.04, 0.1, { massElsewhere: 0.02 })],
  ])('is not with another figure for %s', (label, run) => {
    expect(verdict({ [label]: run })).toBe('in part');
  });

  it('names no figure that its runs have not, and marks the control', () => {
    const { figures } = judged(claim, 'trigger-averaging', asTheCard);
    expect(figures.filter(({ control }) => control).map(({ about }) => about)).toEqual([
      'softmax, no BOS (control): mean squared error',
      'softmax, no BOS (control): variance of the target',
    ]);
    expect(figures.find(({ about }) => about === 'K bias, BOS: null column, elsewhere')?.values).toEqual([0.98]);
    expect(new Set(figures.map(({ about }) => about)).size).toBe(figures.length);
  });

  it.each(Object.keys(asTheCard).filter((label) => label.endsWith(', no BOS')))(
    '%s trains and leaves the figures that are judged',
    async (label) => {
      const { values } = await runOf<ToyFigures>(claim, 'trigger-averaging', label, { share: 2 / 1500 });
      for (const name of Object.keys(asTheCard[label]!.values)) expect(values).toHaveProperty(name);
    },
  );
});

describe('emergence in bigram/backcopy', () => {
  const look = (step: number, sink: number, loss = 2) => ({
    ...{ step, loss, sinkRate: [sink, 0, 0, 0, 0], alpha: sink, nullRate: null, nullMass: null, mass: null },
    ...{ largestRatio: 5, firstNormRatio: 1, gradientNorm: step === 1 ? null : 1 },
  });
  const run = (sinks: readonly number[], loss = 2): EmergenceResult => ({
    looks: sinks.map((sink, i) => look(i === 0 ? 1 : 400 * i, sink, loss)),
    ...{ parameters: 1, seconds: 1 },
  });
  const asMeasured = {
    softmax: run([0, 0.66, 0.98]),
    sigmoid: run([0, 0, 0], 1.99),
    'no BOS': run([0, 0, 0]),
    '3 layers with feed-forward': run([0, 0, 0.01]),
  };
  const judgement = (change: Partial<typeof asMeasured> = {}) =>
    judged(claim, 'backcopy-emerges', { ...asMeasured, ...change });

  it('is shown by the figures of the card, with or without the deep control', () => {
    const { verdict, figures } = judgement();
    expect(verdict).toBe('shown');
    expect(figures.find(({ about }) => about === 'softmax: Sink_1 at 400 steps')?.values).toEqual([0.66]);
    const { '3 layers with feed-forward': _, ...minutes } = asMeasured;
    expect(judged(claim, 'backcopy-emerges', minutes).verdict).toBe('shown');
  });

  it('is not when the sink was there at the start, or is there in a control', () => {
    expect(judgement({ softmax: run([0.9, 0.9, 0.98]) }).verdict).toBe('in part');
    expect(judgement({ 'no BOS': run([0, 0, 0.5]) }).verdict).toBe('in part');
    expect(judgement({ sigmoid: run([0, 0, 0.4]) }).verdict).toBe('in part');
    expect(judgement({ sigmoid: run([0, 0, 0], 2.1) }).verdict).toBe('in part');
    expect(judgement({ '3 layers with feed-forward': run([0, 0, 0.9]) }).verdict).toBe('in part');
  });

  it('comes with a value that shrinks', () => {
    const drains = (valueRatio: number, untrained = 1.19) =>
      judged(claim, 'value-drains', {
        softmax: toyRun(
          { valueRatio, firstElsewhere: 0.49, firstAtTriggers: 0.01, sinkRate: 0.98 },
          { valueRatio: untrained },
        ),
      }).verdict;
    expect(drains(0.22)).toBe('shown');
    expect(drains(1.1)).toBe('in part');
    expect(drains(0.22, 0.22)).toBe('in part');
  });
});
