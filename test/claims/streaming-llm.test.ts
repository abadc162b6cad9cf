import { describe, expect, it } from 'vitest';
import { full } from '../../src/cache/policies/full.ts';
import { claim } from '../../src/claims/cards/streaming-llm.ts';
import { afreshLosses, correlation, riseOf, streamedLosses } from '../../src/claims/streaming-losses.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { loss } from '../../src/models/loss.ts';
import { createModel } from '../../src/models/model.ts';
import { seededRandom } from '../../src/random.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { memoryCheckpoint } from '../../src/train/memory-checkpoint.ts';
import { adamW } from '../../src/train/optimizers/adamw.ts';
import { initialState } from '../../src/train/state.ts';
import { byteLlama, byteLlamaConfig, heldOutBytes, heldOutLength } from '../../src/train/toys/byte-llama.ts';
import { judged, labelsOf, runOf, statementOf, toyRun } from './made-up.ts';

const rescued = {
  ...{ window: 6, four: 3.2, eight: 3.21, newlines: 3.25, afresh: 3.2, rise: 0.01, windowRise: 0.2 },
  ...{ middle: 6.1, windowLate: 6.1, fourLate: 3.2 },
};
const untouched = { ...rescued, window: 3.21, windowLate: 3.21, middle: 3.21 };
const model = (values: Record<string, number>) => ({ model: { missing: null, values, seconds: 1 } });
const verdict = (name: string, values: Record<string, number>) => judged(claim, name, model(values)).verdict;

describe('the judgements on a checkpoint', () => {
  it('rescue: a window several times worse, a flat stream, eight like four', () => {
    expect(verdict('rescue', rescued)).toBe('shown');
    expect(verdict('rescue', { ...rescued, rise: 0.5 })).toBe('in part');
    expect(verdict('rescue', { ...rescued, eight: 3 })).toBe('in part');
    expect(verdict('rescue', { ...rescued, window: 3.5 })).toBe('in part');
    expect(verdict('rescue', untouched)).toBe('not shown at this scale');
  });

  it('place, not meaning: newlines rescue and middle tokens do not', () => {
    expect(verdict('place-not-meaning', rescued)).toBe('shown');
    expect(verdict('place-not-meaning', { ...rescued, middle: 3.3 })).toBe('in part');
    expect(verdict('place-not-meaning', { ...rescued, newlines: 5, middle: 3.3 })).toBe('not shown at this scale');
    expect(verdict('place-not-meaning', untouched)).toBe('not shown at this scale');
  });

  it('without a checkpoint nothing is judged, and that is said', () => {
    for (const name of ['rescue', 'place-not-meaning']) {
      const { verdict, figures, note } = judged(claim, name, {
        model: { missing: 'it is nowhere', values: {}, seconds: 0 },
      });
      expect([verdict, figures]).toEqual(['not run', []]);
      expect(note).toMatch(/^There is no checkpoint at hand, and none is downloaded here \(it is nowhere\)\./);
    }
  });
});

const ordinary = {
  ...{ window: 2.6, four: 2.4, one: 2.45, recomputed: 2.4, fourThere: 2.41, sinkMass: 0.1, uniformMass: 0.01 },
  ...{ untrainedWindow: 5.5, untrainedFour: 5.503, untrainedSinkMass: 0.01 },
};
const withToken = { ...ordinary, window: 3.2, one: 2.401, sinkMass: 0.4 };
const toys = (plain: Record<string, number>, token: Record<string, number>) => ({
  'free first token': toyRun(plain),
  'learned sink token': toyRun(token),
});

describe('the judgements on tiny models', () => {
  const judge = (name: string, ...values: Parameters<typeof toys>) => judged(claim, name, toys(...values)).verdict;

  it('order: the window worst, the gap with the attention, none untrained', () => {
    expect(judge('tiny-order', ordinary, withToken)).toBe('shown');
    expect(judge('tiny-order', { ...ordinary, untrainedWindow: 5.6 }, withToken)).toBe('in part');
    expect(judge('tiny-order', { ...ordinary, sinkMass: 0.5 }, { ...withToken, sinkMass: 0.001 })).toBe('in part');
    expect(judge('tiny-order', { ...ordinary, window: 2.4 }, withToken)).toBe('not shown at this scale');
    expect(judge('tiny-order', { ...ordinary, window: 2.3 }, withToken)).toBe('not shown at this scale');
  });

  it('sink token: one is enough, none is worse than an ordinary window', () => {
    expect(judge('sink-token', ordinary, withToken)).toBe('shown');
    expect(judge('sink-token', ordinary, { ...withToken, one: 2.6 })).toBe('in part');
    expect(judge('sink-token', ordinary, { ...withToken, window: 2.5 })).toBe('in part');
    expect(judge('sink-token', ordinary, { ...withToken, window: 2.4 })).toBe('not shown at this scale');
  });
});

describe('what is measured', () => {
  it('a rise is that of the straight line, and a correlation Pearson’s', () => {
    expect(riseOf([1, 2, 3, 4])).toBeCloseTo(3, 12);
    expect(riseOf([1, 0, 0, 1])).toBeCloseTo(0, 12);
    expect(riseOf([7])).toBe(0);
    expect(correlation([1, 2, 3], [2, 4, 6])).toBeCloseTo(1, 12);
    expect(correlation([1, 2, 3], [1, 0, 1])).toBeCloseTo(0, 12);
    expect(correlation([1, 1], [1, 2])).toBe(0);
  });

  it('losses of a stream that keeps everything, and of texts read afresh, are those of the model', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const options = { sizes: { L: 2, H: 2, M: 16 }, T: 64 };
    const { parameters } = initialState(byteLlama(options).task(), adamW(), 3);
    // Larger matrices than those that training begins with, so that contexts matter.
    const larger = new Map([...parameters].map(([name, values]) => [name, values.map((value) => 8 * value)]));
    const model = createModel({ checkpoint: memoryCheckpoint(byteLlamaConfig(options), larger), runtime });
    const ids = heldOutBytes(30);
    const near = (found: ArrayLike<number>, truth: ArrayLike<number>) => {
      expect(found.length).toBe(truth.length);
      for (let i = 0; i < truth.length; i++) expect(found[i]).toBeCloseTo(truth[i]!, 3);
    };
    const [first, ...rest] = ids;
    const whole = (await loss(model, { ids: [ids] })).perToken[0]!;
    near(await streamedLosses(model, { policy: full({ capacity: 64 }), front: [first!], ids: rest }), whole);
    const afresh = await afreshLosses(model, { ids }, 8);
    expect([...afresh.subarray(0, 8)]).toEqual(Array(8).fill(Number.NaN));
    const piece = (await loss(model, { ids: [ids.slice(12, 20)] })).perToken[0]!;
    near(afresh.subarray(16, 20), piece.subarray(3));
    expect(afresh.every((value, t) => t < 8 || Number.isFinite(value))).toBe(true);
  });
});

describe('the bytes', () => {
  it('begin anywhere, or behind the sink token, which is never predicted', () => {
    const rows = (sinkToken: boolean) => {
      const { data } = byteLlama({ T: 6, sinkToken }).sample(seededRandom(1), 3).ids!;
      return Array.from({ length: 3 }, (_, i) => Array.from(data as BigInt64Array, Number).slice(7 * i, 7 * i + 7));
    };
    for (const row of rows(false)) expect(Math.max(...row)).toBeLessThan(256);
    for (const [sink, ...row] of rows(true)) {
      expect(sink).toBe(256);
      expect(Math.max(...row)).toBeLessThan(256);
    }
    expect(rows(true).map((row) => row.slice(1))).toEqual(rows(false).map((row) => row.slice(0, 6)));
  });

  it('that are streamed are the last fifth; more are refused', () => {
    expect(heldOutLength).toBeGreaterThan(8192);
    expect(() => heldOutBytes(20_000)).toThrow(`held-out bytes: there are ${heldOutLength}, 20000 were asked for`);
  });
});

describe('the settings', () => {
  it.each(['minutes', 'night'] as const)('%s fit their experiments', (size) => {
    const tiny = ['free first token', 'learned sink token'];
    expect(labelsOf(claim, size)).toEqual({
      ...{ rescue: ['model'], 'place-not-meaning': ['model'], 'tiny-order': tiny, 'sink-token': tiny },
    });
  });

  it('a text that is too short for the control is refused, by name', async () => {
    const { experiment } = statementOf(claim, 'rescue');
    const setting = { model: 'nobody-here/no-such-model', tokens: 40, capacity: 16 };
    await using runtime = nodeRuntime({ threads: 1 });
    await expect(async () => experiment.run(setting, 0, { runtime })).rejects.toThrow(
      'streaming-rescue: expected at least 48 tokens for a capacity of 16, got 40',
    );
  });

  it.each(['free first token', 'learned sink token'])(
    'a tiny model with a %s is trained and streamed',
    async (label) => {
      const small = { L: 2, H: 2, M: 16, T: 24, batch: 2, steps: 2, capacity: 8, stream: 64 };
      const { values } = await runOf<ToyFigures>(claim, 'tiny-order', label, small);
      for (const name of Object.keys(ordinary)) expect(values[name]).toBeGreaterThan(0);
      expect(values.four).toBeLessThan(7);
      expect(Math.abs(values.untrainedWindow! - values.untrainedFour!)).toBeLessThan(0.05);
    },
  );
});
