import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/titans.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { judged, labelsOf, runOf, toyRun } from './made-up.ts';

const memories = ['LMM', 'MAG', 'MAC', 'MAL'] as const;
const recalled = (accuracy: number, controls = 0.03) =>
  toyRun({ accuracy, accuracyStill: controls, accuracyReset: controls, accuracyShuffled: controls });

describe('the claim of Titans', () => {
  it('has valid settings, the controls among them', () => {
    for (const size of ['minutes', 'night'] as const)
      expect(labelsOf(claim, size)).toEqual({
        'recall-beyond-window': ['window', ...memories],
        'memory-carries-it': [...memories],
        forgetting: ['α learned', 'α = 0'],
        'sink-moves': ['N_p = 0', 'N_p = 4'],
      });
  });

  const shown = {
    window: toyRun({ accuracy: 0.05 }),
    ...Object.fromEntries(memories.map((arm) => [arm, recalled(0.9)])),
  };

  it('recall is shown where every memory recalls and the window does not', () => {
    const verdict = (change: object) => judged(claim, 'recall-beyond-window', { ...shown, ...change }).verdict;
    expect(verdict({})).toBe('shown');
    expect(verdict({ window: toyRun({ accuracy: 0.9 }) })).toBe('in part');
    expect(verdict({ MAL: recalled(0.3) })).toBe('in part');
  });

  it('memory carries it only where each control falls to chance and there was recall to lose', () => {
    const { window: _, ...memory } = shown;
    const verdict = (change: object) => judged(claim, 'memory-carries-it', { ...memory, ...change }).verdict;
    expect(verdict({})).toBe('shown');
    expect(verdict({ MAG: recalled(0.9, 0.9) })).toBe('in part');
    expect(verdict(Object.fromEntries(memories.map((arm) => [arm, recalled(0.05)])))).toBe('not shown at this scale');
  });

  it('forgetting is shown by more second values than without', () => {
    const verdict = (learned: number, none: number) =>
      judged(claim, 'forgetting', { 'α learned': recalled(learned), 'α = 0': recalled(none) }).verdict;
    expect(verdict(0.8, 0.6)).toBe('shown');
    expect(verdict(0.8, 0.8)).toBe('not shown at this scale');
  });

  it('the sink has moved where the first token lost half of it to the persistent ones', () => {
    const sink = (firstElsewhere: number, sinkElsewhere: number) =>
      toyRun({ firstElsewhere, sinkElsewhere, triggerLoss: 0 });
    const none = toyRun({ firstElsewhere: 0.8, triggerLoss: 0 });
    const verdict = (one: ToyFigures, four: ToyFigures) =>
      judged(claim, 'sink-moves', { 'N_p = 0': one, 'N_p = 4': four }).verdict;
    expect(verdict(none, sink(0.05, 0.75))).toBe('shown');
    expect(verdict(none, sink(0.7, 0.1))).toBe('in part');
    expect(verdict(toyRun({ firstElsewhere: 0.1, triggerLoss: 0 }), sink(0.02, 0.01))).toBe('in part');
  });
});

describe('runs of Titans', () => {
  const small = { tokens: 32, pairs: 3, batch: 2, steps: 1 };

  // MAC takes half a minute to compile, and MAL is made of the same parts.
  it.each(['window', 'LMM', 'MAG'])('%s runs, and memories run under every control', async (arm) => {
    const { values } = await runOf<ToyFigures>(claim, 'recall-beyond-window', arm, small);
    expect(values.loss).toBeGreaterThan(2);
    const controls = ['accuracyReset', 'accuracyShuffled', 'accuracyStill'];
    expect(Object.keys(values).filter((name) => controls.includes(name))).toHaveLength(arm === 'window' ? 0 : 3);
    expect(values.accuracyFar).toBe(values.accuracy);
  });

  it('a memory that cannot forget has one tensor and bias a layer less to decide it', async () => {
    const run = (label: string) => runOf<ToyFigures>(claim, 'forgetting', label, small);
    const [learned, none] = [await run('α learned'), await run('α = 0')];
    // to_decay_factor: 64 inputs and a bias for each of four heads, in two layers.
    expect(learned.parameters - none.parameters).toBe(2 * 4 * 65);
  });

  it('persistent tokens share the attention of a window from the first step on', async () => {
    const run = (label: string) => runOf<ToyFigures>(claim, 'sink-moves', label, { share: 1 / 5000 });
    const [none, four] = [await run('N_p = 0'), await run('N_p = 4')];
    expect(none.values).not.toHaveProperty('sinkElsewhere');
    expect(four.values.sinkElsewhere).toBeGreaterThan(0.05);
    expect(four.values.sinkElsewhere! + four.values.firstElsewhere!).toBeLessThan(1);
  });
});
