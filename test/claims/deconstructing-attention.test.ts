import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/deconstructing-attention.ts';
import { deconstructedToys } from '../../src/claims/deconstructed-toys.ts';
import { meanOnFirst } from '../../src/claims/sink-indicator-node.ts';
import { seededRandom } from '../../src/random.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { adamW } from '../../src/train/optimizers/adamw.ts';
import { initialState } from '../../src/train/state.ts';
import { deepBackcopy } from '../../src/train/toys/deep-backcopy.ts';
import { associativeRecall } from '../../src/train/toys/recall.ts';
import { trainToy } from '../../src/train/toys/train-toy.ts';
import { judged, labelsOf, toyRun } from './made-up.ts';

const variants = ['standard', 'embeddings', 'taylor', 'query-independent', 'random', 'fixed text', 'mlp'];
const measured = { standard: 1, embeddings: 1, taylor: 1, 'query-independent': 0.54, random: 0.25, 'fixed text': 0.24 };
const recall = (accuracies: Readonly<Record<string, number>>) =>
  judged(
    claim,
    'recall-order',
    Object.fromEntries(Object.entries(accuracies).map(([label, accuracy]) => [label, toyRun({ accuracy })])),
  );
const hybrids = { 'hybrid query-independent': 1, 'hybrid random': 1, 'hybrid mlp': 1 };

describe('the settings of deconstructed attention', () => {
  it('are valid, and name every variant in both layers and the three hybrids of the card', () => {
    for (const size of ['minutes', 'night'] as const)
      expect(labelsOf(claim, size)).toEqual({
        'recall-order': [...variants, 'hybrid query-independent', 'hybrid random', 'hybrid mlp'],
        'positions-suffice': variants,
        'sink-indicator': ['model'],
      });
  });
});

describe('the order of the variants on recall', () => {
  it('is shown by the accuracies that the card has', () => {
    expect(recall({ ...measured, mlp: 0.085, ...hybrids }).verdict).toBe('shown');
  });

  it('is shown in part when hybrids fail or fixed maps succeed, and not at all when nothing is learnt', () => {
    expect(recall({ ...measured, mlp: 0.085, ...hybrids, 'hybrid mlp': 0.5 }).verdict).toBe('in part');
    expect(recall({ ...measured, random: 0.9, mlp: 0.085, ...hybrids }).verdict).toBe('in part');
    const same = Object.fromEntries(Object.keys({ ...measured, mlp: 0, ...hybrids }).map((label) => [label, 0.5]));
    expect(recall(same).verdict).toBe('not shown at this scale');
  });
});

describe('the control of positions', () => {
  const losses = { standard: 0.008, embeddings: 0.008, taylor: 0.008, random: 0.008, 'fixed text': 0.008 };
  const backcopy = (found: Readonly<Record<string, number>>) =>
    judged(
      claim,
      'positions-suffice',
      Object.fromEntries(Object.entries(found).map(([label, triggerLoss]) => [label, toyRun({ triggerLoss })])),
    );

  it('holds with the losses that the card has', () => {
    expect(backcopy({ ...losses, 'query-independent': 0.018, mlp: 2.28 }).verdict).toBe('shown');
  });

  it('does not hold when fixed maps fail like no mixing does', () => {
    const failed = { ...losses, random: 2.2, 'fixed text': 2.2, 'query-independent': 2, mlp: 2.28 };
    expect(backcopy(failed).verdict).toBe('in part');
  });
});

describe('the sink indicator', () => {
  const indicator = (trained: number, fresh: number) =>
    judged(claim, 'sink-indicator', {
      model: { missing: null, values: { trained, fresh, share: 1 / 64, uniform: 0.074 }, seconds: 1 },
    }).verdict;

  it('is shown where a trained model has it and a fresh one does not', () => {
    expect(indicator(0.5, 0.074)).toBe('shown');
    expect(indicator(0.074, 0.074)).toBe('in part');
    expect(indicator(0.1, 0.1)).toBe('not shown at this scale');
  });

  it('reads the first column of every row', () => {
    expect(meanOnFirst(Float32Array.of(1, 0, 0.5, 0.5, 1, 0, 0.25, 0.75), 2)).toBeCloseTo(0.6875, 10);
  });
});

describe('toys with maps from elsewhere', () => {
  const toys = [associativeRecall, deepBackcopy];

  it.each(['embeddings', 'random', 'fixed text'] as const)('have the same trained parameters with %s', (from) => {
    for (const toy of toys) {
      const names = (maps?: Parameters<typeof associativeRecall>[0]) =>
        [...initialState(toy(maps).task(), adamW(), 0).parameters]
          .map(([name, { length }]) => `${name} ${length}`)
          .sort();
      const table = toy === associativeRecall ? 'embed_maps.weight 1536' : 'embed_maps.weight 3072';
      expect(names({ maps: { from } })).toEqual([...names(), ...(from === 'random' ? [table] : [])].sort());
    }
  });

  it('leave the random table as it was drawn, and move everything else', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const toy = { ...associativeRecall({ maps: { from: 'random' } }), batch: 2 };
    const before = initialState(toy.task(), adamW(), 0).parameters;
    const { state } = await trainToy(toy, runtime, { steps: 2 });
    const moved = [...state.parameters].filter(([name, values]) =>
      values.some((value, i) => value !== before.get(name)![i]),
    );
    expect(moved).toHaveLength(before.size - 1);
    expect(moved.map(([name]) => name)).not.toContain('embed_maps.weight');
  });

  it('copy the token before a trigger, at one place in the text as at another', () => {
    const { ids, targets, trigger } = deepBackcopy().sample(seededRandom(1), 8) as Record<
      string,
      { data: ArrayLike<bigint | number> }
    >;
    const at = Array.from(trigger!.data).flatMap((hit, i) => (hit ? [i] : []));
    expect(at.length).toBeGreaterThan(8);
    for (const i of at) expect(targets!.data[i]).toBe(ids!.data[i - 1]);
  });

  it.each([
    ['backcopy', 'fixed text', 'uniform'],
    ['recall', 'mlp', 'even'],
    ['recall', 'query-independent', 'uniform'],
  ] as const)(
    'run: %s with %s, %s',
    async (toy, variant, plan) => {
      await using runtime = nodeRuntime({ threads: 1 });
      const { values } = await deconstructedToys.run({ toy, variant, plan, share: 1e-4 }, 0, { runtime });
      for (const value of Object.values(values)) expect(value).toBeGreaterThanOrEqual(0);
    },
    60_000,
  );
});
