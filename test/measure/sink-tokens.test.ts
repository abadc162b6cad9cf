import { describe, expect, it } from 'vitest';
import { receivedByKey } from '../../src/measure/received.ts';
import type { TokenInfo } from '../../src/measure/result.ts';
import { findSinkTokens, type SinkEvidence } from '../../src/measure/sink-tokens.ts';
import { columnOf, randomPatterns } from './naive/patterns.ts';
import { naiveAlpha } from './naive/sink-rate.ts';
import { naiveSinkTokens } from './naive/sink-tokens.ts';

const tokensOf = (S: number): TokenInfo[] =>
  Array.from({ length: S }, (_, position) => ({ position, id: position, text: 'a', role: 'text', class: 'letter' }));

/** Moves `share` of every later row of the given heads onto one key. */
function plant(patterns: number[][][][], layers: number[], head: number, key: number, share: number) {
  for (const l of layers) {
    patterns[l]![head]!.forEach((row, i) => {
      if (i < key) return;
      for (let k = 0; k < row.length; k++) row[k] = row[k]! * (1 - share) + (k === key ? share : 0);
    });
  }
}

function evidence(patterns: number[][][][], windows: (number | null)[] = patterns.map(() => null)): SinkEvidence {
  const T = patterns[0]![0]!.length;
  const layers = patterns.map((heads, l) => {
    const sums = heads.flatMap((pattern) =>
      Array.from({ length: T }, (_, k) => pattern.reduce((sum, row) => sum + row[k]!, 0)),
    );
    return receivedByKey(
      sums,
      heads.map((pattern) => pattern[0]![0]!),
      { T, window: windows[l]! },
    );
  });
  return { tokens: tokensOf(T), windows, mean: layers.map(({ mean }) => mean), max: layers.map(({ max }) => max) };
}

describe('attention received by key', () => {
  it('is the mean over the queries that see the key without row 0, for every head and window', () => {
    const windows = [null, 5];
    const patterns = randomPatterns(4, 17, 3, windows, 0.3);
    windows.forEach((window, l) => {
      const heads = patterns[l]!;
      const columns = Array.from({ length: 17 }, (_, k) => columnOf([heads], k));
      const sums = [0, 1, 2].flatMap((h) => columns.map(({ columnSums }) => columnSums[h]!));
      const { perHead, mean, max } = receivedByKey(sums, columns[0]!.firstRow, { T: 17, window });
      for (let k = 0; k < 17; k++) {
        const expected = heads.map((pattern) => naiveAlpha(pattern, window, k, 1));
        expected.forEach((value, h) => {
          expect(perHead[h * 17 + k]).toBeCloseTo(value, 12);
        });
        expect(mean[k]).toBeCloseTo(expected.reduce((a, b) => a + b, 0) / 3, 12);
        expect(max[k]).toBeCloseTo(Math.max(...expected), 12);
      }
    });
  });

  it('takes the whole first row where a prefix lets it see more keys', () => {
    // T = 2, both keys in the prefix: rows (0.25, 0.75) and (0.5, 0.5).
    const { mean } = receivedByKey([0.75, 1.25], [0.25, 0.75], { T: 2, prefix: 2 });
    expect(Array.from(mean)).toEqual([0.5, 0.5]);
    expect(() => receivedByKey([0.75, 1.25], [0.25], { T: 2, prefix: 2 })).toThrow(
      'received: firstRow must hold H × S = 2 values, got 1',
    );
    expect(() => receivedByKey([1, 1, 1], [1], { T: 2 })).toThrow(
      'received: column sums must hold H × S values with S = 2, got 3',
    );
  });
});

describe('the sink tokens of a page', () => {
  it('are exactly the planted keys, by excess, with the layers in which they stand out', () => {
    const patterns = randomPatterns(1, 80, 3, [null, null, null, null]);
    plant(patterns, [1, 2], 0, 0, 0.9);
    plant(patterns, [2, 3], 1, 20, 0.6);
    const { sinks, strongest, notes } = findSinkTokens(evidence(patterns));
    expect(sinks.map(({ position, firstLayer, lastLayer, kind }) => [position, firstLayer, lastLayer, kind])).toEqual([
      [0, 1, 2, 'attention only'],
      [20, 2, 3, 'attention only'],
    ]);
    expect(sinks.map(({ queries }) => queries)).toEqual([80, 60]);
    expect(strongest).toBe(0);
    expect(notes).toEqual([]);
    const slow = naiveSinkTokens(patterns, 0.3);
    expect(slow.map(({ position }) => position)).toEqual([0, 20]);
    slow.forEach((token, n) => {
      expect(sinks[n]!.received).toBeCloseTo(token.received, 12);
      expect(sinks[n]!.excess).toBeCloseTo(token.excess, 12);
    });
  });

  it('leave out keys seen by fewer than 32 queries, which any diagonal head would raise', () => {
    const planted = (key: number) => {
      const patterns = randomPatterns(2, 80, 2, [null]);
      plant(patterns, [0], 0, key, 0.9);
      return findSinkTokens(evidence(patterns)).sinks.map(({ position }) => position);
    };
    expect(planted(48)).toEqual([48]);
    expect(planted(49)).toEqual([]);
  });

  it('are not announced under 64 tokens, with the reason', () => {
    const planted = (T: number) => {
      const patterns = randomPatterns(3, T, 2, [null]);
      plant(patterns, [0], 0, 0, 0.9);
      return findSinkTokens(evidence(patterns));
    };
    expect(planted(63).sinks).toEqual([]);
    expect(planted(63).strongest).toBe(0);
    expect(planted(63).notes).toEqual([
      'The page has 63 tokens; under 64 no sink is announced, because uniform attention alone lifts the first keys of a short text.',
    ]);
    expect(planted(64).sinks).toHaveLength(1);
  });

  it('are none under uniform or random attention', () => {
    const uniform = [
      [Array.from({ length: 70 }, (_, i) => Array.from({ length: 70 }, (_, k) => (k <= i ? 1 / (i + 1) : 0)))],
    ];
    for (const patterns of [uniform, randomPatterns(7, 70, 4, [null, null])]) {
      const { sinks, notes } = findSinkTokens(evidence(patterns));
      expect(sinks).toEqual([]);
      expect(notes).toEqual([
        'No key of the page receives more than 0.3 in any head and more than uniform attention gives it.',
      ]);
    }
  });

  it('are none when a head stands out but the mean over layers and heads stays below the baseline', () => {
    // Key 2: 0.4 in one head of 40, nothing in the others; uniform attention would give it about 0.05.
    const T = 64;
    const mean = [Array.from({ length: T }, (_, k): number => (k === 2 ? 0.01 : 0))];
    const max = [Array.from({ length: T }, (_, k) => (k === 2 ? 0.4 : 0))];
    expect(findSinkTokens({ tokens: tokensOf(T), windows: [null], mean, max }).sinks).toEqual([]);
    mean[0]![2] = 0.1;
    expect(findSinkTokens({ tokens: tokensOf(T), windows: [null], mean, max }).sinks).toHaveLength(1);
  });

  it('never rest on a window that shows a key to fewer than 32 queries', () => {
    const planted = (window: number) => {
      const patterns = randomPatterns(5, 80, 2, [window]);
      plant(patterns, [0], 0, 10, 0.9);
      for (const head of patterns[0]!) {
        for (const [i, row] of head.entries()) row.fill(0, 0, Math.max(0, i - window + 1));
      }
      return findSinkTokens(evidence(patterns, [window])).sinks.map(({ position }) => position);
    };
    expect(planted(32)).toEqual([10]);
    expect(planted(31)).toEqual([]);
  });

  it('are primary or secondary only where a primary has a massive norm, with their cosine beside them', () => {
    const patterns = randomPatterns(1, 80, 1, [null, null]);
    for (const [key, share] of [
      [0, 0.5],
      [20, 0.6],
      [30, 0.6],
      [40, 0.6],
    ] as const) {
      plant(patterns, [key === 30 ? 1 : 0, key === 40 ? 1 : 0], 0, key, share);
    }
    const base = evidence(patterns);
    const turned = (position: number, label: 'secondary' | 'primary-like') => ({
      ...{ position, label, layers: [1], first: 1, last: 1, life: 1, cosine: 0.95 },
    });
    const residual = {
      primary: { position: 0, start: 0, end: 2, normRatio: 99, massive: true },
      turned: [turned(20, 'secondary'), turned(30, 'primary-like')],
      cosine: [0, 1].map((l) => Array.from({ length: 80 }, (_, t) => (t === 0 ? 1 : -t / 100 - l / 4))),
    };
    const kinds = (given: SinkEvidence) =>
      Object.fromEntries(findSinkTokens(given).sinks.map(({ position, kind, cosine }) => [position, [kind, cosine]]));
    expect(kinds({ ...base, epsilon: 0.1, residual })).toEqual({
      0: ['primary', 1],
      20: ['secondary', 0.45],
      30: ['primary', 0.55],
      40: ['attention only', 0.65],
    });
    const weak = { ...residual, primary: { ...residual.primary, massive: false } };
    expect(new Set(Object.values(kinds({ ...base, epsilon: 0.1, residual: weak })).map(String))).toEqual(
      new Set(['attention only,']),
    );
  });

  it('need arrays that fit the page', () => {
    const base = evidence(randomPatterns(1, 70, 1, [null]));
    expect(() => findSinkTokens({ ...base, tokens: tokensOf(71) })).toThrow(
      'sink tokens: mean must hold 1 layers of 71 keys, got 1 layers of 70',
    );
  });
});
