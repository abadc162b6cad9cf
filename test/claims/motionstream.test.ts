import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/motionstream.ts';
import { driftOf, sinkChanges } from '../../src/claims/motion-drift.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { adamW } from '../../src/train/optimizers/adamw.ts';
import { initialState } from '../../src/train/state.ts';
import { motionStream } from '../../src/train/toys/motion-stream.ts';
import { judged, labelsOf, runOf, toyRun } from './made-up.ts';

const run = (identityEarly: number, identityLate: number, more: Readonly<Record<string, number>> = {}) =>
  toyRun({
    ...{ identityTrained: 0.1, identityEarly, identityLate, controlTrained: 0.02, controlLate: 0.02 },
    ...{ untrainedLate: 1, sinkHighest: 0.8, sinkMean: 0.4 },
    ...{ nextWithSinkOfNext: 0.2, ownWithSinkOfNext: 1.2, lateWithoutSinkValues: 0.9, ...more },
  });

describe('the claim of MotionStream', () => {
  it('has valid settings, the controls among them', () => {
    for (const size of ['minutes', 'night'] as const)
      expect(labelsOf(claim, size)).toEqual({
        'sink-stops-drift': ['s1w1', 's0w1', 's0w3'],
        'told-needs-no-sink': ['s1w1, told', 's0w1, told'],
        'own-rollout': ['own', 'true', 's0w1, own', 's0w1, true'],
        'sink-is-memory': ['s1w1'],
      });
  });

  it('the sink stops the drift where it stays flat, the window alone ends at chance, and motion is followed alike', () => {
    const verdict = (s1w1: ToyFigures, s0w1: ToyFigures) =>
      judged(claim, 'sink-stops-drift', { s1w1, s0w1, s0w3: run(0.3, 0.6) }).verdict;
    expect(verdict(run(0.2, 0.22), run(0.3, 0.95))).toBe('shown');
    expect(verdict(run(0.2, 0.5), run(0.3, 0.95))).toBe('in part');
    expect(verdict(run(0.2, 0.22), run(0.3, 0.4))).toBe('in part');
    expect(verdict(run(0.2, 0.22), run(0.3, 0.95, { controlLate: 0.5 }))).toBe('in part');
    expect(verdict(run(0.2, 0.9), run(0.3, 0.4, { controlLate: 0.5 }))).toBe('not shown at this scale');
  });

  it('told with every frame, sinks make no difference only where both know the identity', () => {
    const verdict = (sink: number, none: number) =>
      judged(claim, 'told-needs-no-sink', { 's1w1, told': run(0, sink), 's0w1, told': run(0, none) }).verdict;
    expect(verdict(0.2, 0.25)).toBe('shown');
    expect(verdict(0.1, 0.35)).toBe('not shown at this scale');
    expect(verdict(0.9, 0.9)).toBe('not shown at this scale');
  });

  it('own rollouts and the memory in the sink are judged by their figures', () => {
    const own = (mine: number, truth: number) =>
      judged(claim, 'own-rollout', {
        ...{ own: run(0, mine), true: run(0, truth), 's0w1, own': run(1, 1), 's0w1, true': run(1, 1) },
      }).verdict;
    expect([own(0.2, 0.5), own(0.2, 0.21)]).toEqual(['shown', 'not shown at this scale']);
    const memory = (more: Record<string, number>) => judged(claim, 'sink-is-memory', { s1w1: run(0, 0, more) }).verdict;
    expect(memory({})).toBe('shown');
    expect(memory({ sinkHighest: 0.4 })).toBe('in part');
    expect(memory({ sinkHighest: 0.4, nextWithSinkOfNext: 1 })).toBe('not shown at this scale');
  });
});

describe('runs of MotionStream', () => {
  it('leave figures of an untrained model near chance, without a sink none of a sink', async () => {
    const small = { trained: 2, steps: 1, chunks: 20, clips: 4 };
    const { values } = await runOf<ToyFigures>(claim, 'sink-stops-drift', 's0w1', small);
    expect(values.identityLate).toBeGreaterThan(0.6);
    expect([values.sinkHighest, values.sinkMean]).toEqual([0, 0]);
    expect(values).not.toHaveProperty('nextWithSinkOfNext');
  });

  it('a sink that is exchanged or emptied changes what comes after it, and nothing before', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const { parameters } = initialState(motionStream().task(), adamW(), 1);
    const all = { runtime, parameters, sinks: 1, window: 1, told: false, chunks: 4, clips: 3 };
    const [still, exchanged, emptied] = await Promise.all(sinkChanges.map((change) => driftOf({ ...all, change })));
    for (const changed of [exchanged!, emptied!]) {
      expect(changed.identity[0]).toBe(still!.identity[0]);
      expect(changed.identity[1]).not.toBeCloseTo(still!.identity[1]!, 6);
    }
    expect(still!.sinkShare).toHaveLength(8);
    expect(Math.min(...still!.sinkShare)).toBeGreaterThan(0.05);
    expect(Math.max(...still!.sinkShare)).toBeLessThan(0.8);
  });
});
