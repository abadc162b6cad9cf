import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/mixture-of-head.ts';
import { routedHeads } from '../../src/claims/query-norm-heads-node.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { add, input, lower, multiply } from '../../src/tensor/index.ts';
import { judged, labelsOf, runOf, toyRun } from './made-up.ts';

const small = { L: 2, M: 16, T: 8, batch: 2, steps: 2 };

describe('the settings of mixture-of-head', () => {
  it('are valid and hold the controls: random routing, no shared heads, no balance loss', () => {
    for (const size of ['minutes', 'night'] as const)
      expect(labelsOf(claim, size)).toEqual({
        quality: ['MHA', 'MoH 75 %', 'MoH 50 %', 'random routing', 'no shared heads'],
        balance: ['MoH 75 %', 'no balance loss'],
        'off-heads-first': ['MHA', 'MoH 75 %', 'random routing'],
        'query-norms': ['model'],
      });
  });
});

describe('quality', () => {
  const quality = (routed: number, random: number) =>
    judged(claim, 'quality', {
      MHA: toyRun({ heldOutLoss: 1.9 }),
      'MoH 75 %': toyRun({ heldOutLoss: routed }),
      'MoH 50 %': toyRun({ heldOutLoss: 1.92 }),
      'random routing': toyRun({ heldOutLoss: random }),
      'no shared heads': toyRun({ heldOutLoss: 1.93 }),
    });

  it('is shown when routing costs nothing and random routing does', () => {
    expect(quality(1.91, 1.95).verdict).toBe('shown');
  });

  it('is not when a router is no better than chance, or costs as much', () => {
    expect(quality(1.9, 1.9).verdict).toBe('in part');
    expect(quality(1.95, 1.95).verdict).toBe('not shown at this scale');
  });
});

describe('balance', () => {
  const balance = (balanced: number, free: number) =>
    judged(claim, 'balance', {
      'MoH 75 %': toyRun({ load: balanced }),
      'no balance loss': toyRun({ load: free }),
    }).verdict;

  it('is shown when the load drifts without its loss, not when it is as even', () => {
    expect(balance(1.1, 1.5)).toBe('shown');
    expect(balance(1.1, 1.12)).toBe('not shown at this scale');
    expect(balance(1.4, 1.2)).toBe('not shown at this scale');
  });
});

describe('heads that are off', () => {
  const first = (off: number, on: number) =>
    judged(claim, 'off-heads-first', {
      MHA: toyRun({ first: 0.1, sinkRate: 0 }),
      'MoH 75 %': toyRun({ firstWhereOff: off, firstWhereOn: on, sinkRate: 0 }),
      'random routing': toyRun({ firstWhereOff: 0.1, firstWhereOn: 0.1 }),
    }).verdict;

  it('look at the first token at least as much, or it is not shown', () => {
    expect(first(0.2, 0.1)).toBe('shown');
    expect(first(0.1, 0.2)).toBe('not shown at this scale');
  });
});

describe('heads chosen by query norms', () => {
  const rises = (top: number, noise: number, bottom: number) =>
    judged(claim, 'query-norms', {
      model: { missing: null, values: { loss: 3, top, noise, bottom }, seconds: 1 },
    });

  it('must beat random ones and those of the smallest queries', () => {
    expect(rises(0.1, 0.3, 0.5).verdict).toBe('shown');
    expect(rises(0.4, 0.3, 0.5).verdict).toBe('in part');
    expect(rises(0.6, 0.3, 0.5).verdict).toBe('not shown at this scale');
    expect(rises(Math.log(1.2), 0.3, 0.5).figures[1]!.values[0]).toBeCloseTo(20, 9);
  });

  it('multiply what heads give by one or zero: four heads, two always, the larger of the others', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const q = input('q', { B: 1, T: 2, G: 2, R: 2, D: 1 });
    const edits = routedHeads({ H: 4, G: 2, D: 1, M: 4 }, 'top');
    const place = (name: 'blocks.0.attn.q.hook_out' | 'blocks.0.attn.hook_z') => ({ name, layer: 0 });
    edits['blocks.*.attn.q.hook_out']!(q, place('blocks.0.attn.q.hook_out'));
    const z = edits['blocks.*.attn.hook_z']!(add(multiply(q, 0), 3), place('blocks.0.attn.hook_z'));
    const program = await runtime.compile(
      lower({ z: { value: z, order: ['B', 'T', 'G', 'R', 'D'] } }, { weights: 'inputs' }),
    );
    const data = Float32Array.of(9, 9, 1, -2, 0, 0, 5, 4);
    const { z: found } = await program.run({ q: { type: 'float32', shape: [1, 2, 2, 2, 1], data } });
    expect([...(found!.data as Float32Array)]).toEqual([3, 3, 0, 3, 3, 3, 3, 0]);
  });
});

describe('a run', () => {
  it('has a load between even and that of two heads which are always on, and none without a router', async () => {
    const moh = await runOf<ToyFigures>(claim, 'quality', 'MoH 75 %', small);
    // Two of four: the most used of them is used by at least half of the tokens and at most all.
    expect(moh.values.load).toBeGreaterThanOrEqual(1);
    expect(moh.values.load).toBeLessThanOrEqual(2);
    for (const name of ['firstWhereOn', 'firstWhereOff', 'first', 'sinkRate'])
      expect(moh.values[name], name).toBeGreaterThanOrEqual(0);
    expect(moh.values.first).toBeLessThan(1);
    expect(moh.values.loss).toBeGreaterThan(moh.values.languageLoss!);
    const plain = await runOf<ToyFigures>(claim, 'quality', 'MHA', small);
    expect(plain.values).not.toHaveProperty('load');
    expect(plain.values.loss).toBe(plain.values.languageLoss);
  });

  it('splits the mean attention to the first token into that of heads on and off', async () => {
    const { values } = await runOf<ToyFigures>(claim, 'quality', 'no shared heads', small);
    // Six of eight heads are on.
    expect(0.75 * values.firstWhereOn! + 0.25 * values.firstWhereOff!).toBeCloseTo(values.first!, 5);
  });
});
