import { describe, expect, it } from 'vitest';
import { InputError, RunError } from '../../src/error.ts';
import { proxyScores } from '../../src/measure/proxy-scores.ts';
import { SinkRateSums } from '../../src/measure/sink-rate.ts';
import { spreadOfShares } from '../../src/measure/spread.ts';
import { columnOf, randomPatterns } from './naive/patterns.ts';
import { naiveAlpha, naiveSinkRate } from './naive/sink-rate.ts';
import { spread } from './naive/spread.ts';

const uniform4 = [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((k) => (k <= i ? 1 / (i + 1) : 0)));
const rateOf = (patterns: number[][][][], key: number, epsilon = 0.3) => {
  const sums = new SinkRateSums({
    tokens: patterns[0]![0]!.length,
    windows: patterns.map(() => null),
    heads: patterns[0]!.length,
    epsilons: [epsilon],
    key,
  });
  sums.add({ tokens: sums.protocol.tokens, ...columnOf(patterns, key) });
  return sums.finish();
};

describe('the sink rate', () => {
  it('counts positions 1 and 2 of four tokens under uniform attention at 0.3, as its baseline says too', () => {
    const rates = [0, 1, 2, 3].map((key) => rateOf([[uniform4]], key).sinkRates[0]!);
    expect(rates.map(({ rate }) => rate.mean)).toEqual([1, 1, 0, 0]);
    expect(rates.map(({ uniform }) => uniform)).toEqual([1, 1, 0, 0]);
    expect(rateOf([[uniform4]], 0).alpha[0]![0]).toBeCloseTo(0.52083, 5);
  });

  it('is 1 with an importance of 1 when all attention lies on the first key, and 0 for every other key', () => {
    const all = [[uniform4.map(() => [1, 0, 0, 0])]];
    expect(rateOf(all, 0).alpha).toEqual([[1]]);
    expect(rateOf(all, 0).received).toEqual([[1]]);
    expect(rateOf(all, 0).sinkRates[0]!.rate.mean).toBe(1);
    expect([1, 2, 3].map((key) => rateOf(all, key).alpha[0]![0])).toEqual([0, 0, 0]);
  });

  it('compares strictly: an importance of exactly epsilon does not count', () => {
    const half = [
      [
        [
          [1, 0],
          [0, 1],
        ],
      ],
    ];
    expect(rateOf(half, 0, 0.5).sinkRates[0]!.rate.mean).toBe(0);
    expect(rateOf(half, 0, 0.4999).sinkRates[0]!.rate.mean).toBe(1);
  });

  it('agrees with the definition in loops over layers, heads, windows, keys and thresholds', () => {
    const T = 13;
    const windows = [null, 4, 100];
    for (const key of [0, 2, 12]) {
      const epsilons = [0.1, 0.2, 0.3, 0.5];
      const sums = new SinkRateSums({ tokens: T, windows, heads: 5, epsilons, key });
      const texts = [1, 2, 3].map((seed) => randomPatterns(seed, T, 5, windows, 0.1 * seed));
      for (const patterns of texts) sums.add({ tokens: T, ...columnOf(patterns, key) });
      const result = sums.finish();
      epsilons.forEach((epsilon, e) => {
        const of = (layers: number[]) =>
          texts.map((patterns) =>
            naiveSinkRate(
              layers.map((l) => patterns[l]!),
              layers.map((l) => windows[l]!),
              key,
              epsilon,
            ),
          );
        for (const [rates, layers] of [
          [result.sinkRates, [0, 2]],
          [result.sinkRatesWindow!, [1]],
          [result.sinkRatesAll, [0, 1, 2]],
        ] as const) {
          const expected = spread(of([...layers]));
          expect(rates[e]!.rate.mean).toBeCloseTo(expected.mean, 12);
          expect(rates[e]!.rate.deviation).toBeCloseTo(expected.deviation, 7);
          expect(rates[e]!.rate.n).toBe(3);
        }
      });
      windows.forEach((window, l) => {
        for (let h = 0; h < 5; h++) {
          const mean = (fromRow: number) =>
            texts.reduce((sum, patterns) => sum + naiveAlpha(patterns[l]![h]!, window, key, fromRow) / 3, 0);
          expect(result.alpha[l]![h]).toBeCloseTo(mean(0), 12);
          expect(result.received[l]![h]).toBeCloseTo(mean(1), 12);
        }
      });
    }
  });

  it('reports only window layers as such, and all layers in their stead where every window is narrow', () => {
    const T = 8;
    const rates = (windows: (number | null)[]) => {
      const sums = new SinkRateSums({ tokens: T, windows, heads: 1 });
      sums.add({ tokens: T, ...columnOf(randomPatterns(1, T, 1, windows), 0) });
      return sums.finish();
    };
    expect(rates([null, 8]).sinkRatesWindow).toBeUndefined();
    expect(rates([2, 4]).sinkRates).toEqual(rates([2, 4]).sinkRatesWindow);
    // Window 2: α_0 = (1 + ½) / 2 whatever the text; full: (H_8) / 8 = 0.34.
    expect(rates([null, 2]).uniformAlpha).toEqual([expect.closeTo(2.717857142857143 / 8, 14), 0.75]);
  });

  it('merges shards to the same rates in any order', () => {
    const T = 21;
    const windows = [null, 3];
    const shard = (seeds: number[]) => {
      const sums = new SinkRateSums({ tokens: T, windows, heads: 3, epsilons: [0.2, 0.3] });
      for (const seed of seeds) {
        sums.add({ tokens: T, ...columnOf(randomPatterns(seed, T, 3, windows, (seed % 5) / 10), 0) });
      }
      return sums;
    };
    const whole = shard([1, 2, 3, 4, 5, 6, 7]).finish();
    const merged = SinkRateSums.fromJSON(JSON.parse(JSON.stringify(shard([6, 7]))));
    merged.merge(shard([4]));
    merged.merge(shard([1, 5, 2, 3]));
    const parts = merged.finish();
    expect(parts.sinkRates).toEqual(whole.sinkRates);
    expect(parts.sinkRatesWindow).toEqual(whole.sinkRatesWindow);
    parts.alpha.flat().forEach((value, at) => {
      expect(value).toBeCloseTo(whole.alpha.flat()[at]!, 14);
    });
    expect(whole.sinkRates[0]!.rate.deviation).toBeGreaterThan(0);
  });

  it('comes back from its JSON form unchanged, and refuses damaged JSON', () => {
    const sums = new SinkRateSums({ tokens: 4, windows: [null, 1], heads: 1 });
    sums.add({ tokens: 4, columnSums: [2.5, 1], firstRow: [1, 1] });
    const json = JSON.parse(JSON.stringify(sums));
    expect(SinkRateSums.fromJSON(json).finish()).toEqual(sums.finish());
    expect(sums.finish().received).toEqual([[0.5], [Number.NaN]]);
    expect(() => SinkRateSums.fromJSON({ ...json, alpha: [1] })).toThrow('sink rate: alpha: expected 2 values, got 1');
    expect(() => SinkRateSums.fromJSON({ ...json, texts: -1 })).toThrow('sink rate: texts: ');
    expect(() => SinkRateSums.fromJSON(null)).toThrow(InputError);
  });

  it('never merges texts of different lengths, and names both', () => {
    const sums = new SinkRateSums({ tokens: 64, windows: [null], heads: 1 });
    const message =
      'sink rate: texts of 64 and 63 tokens cannot be merged, the rate depends on the length; measure them apart';
    expect(() => sums.add({ tokens: 63, columnSums: [1], firstRow: [1] })).toThrow(new InputError(message));
    expect(() => sums.merge(new SinkRateSums({ tokens: 63, windows: [null], heads: 1 }))).toThrow(
      new InputError(message),
    );
    expect(() => sums.merge(new SinkRateSums({ tokens: 64, windows: [7], heads: 1 }))).toThrow(
      'sink rate: shards of different protocols',
    );
  });

  it('refuses sums no attention can have, naming layer and head', () => {
    const sums = new SinkRateSums({ tokens: 4, windows: [null], heads: 2 });
    const add = (second: number) => () => sums.add({ tokens: 4, columnSums: [1, second], firstRow: [1, 1] });
    expect(add(Number.NaN)).toThrow(RunError);
    expect(add(4.2)).toThrow(
      'sink rate: layer 0 head 1: the attention of 4 queries to key 0 sums to 4.2, of which row 0 has 1; ' +
        'expected 0 ≤ row 0 ≤ sum ≤ 4. Where rows do not sum to one, give proxy scores',
    );
    expect(add(-0.5)).toThrow(RunError);
    expect(() => sums.add({ tokens: 4, columnSums: [1], firstRow: [1] })).toThrow(
      'sink rate: columnSums must hold L × H = 1 × 2 = 2 values, got 1',
    );
    expect(() => sums.finish()).toThrow('sink rate: no text was added');
    expect(() => new SinkRateSums({ tokens: 4, windows: [null], heads: 1, epsilons: [1] })).toThrow(
      'sink rate: epsilon must lie in (0, 1), got 1',
    );
    expect(() => new SinkRateSums({ tokens: 4, windows: [null], heads: 1, key: 4 })).toThrow(
      'sink rate: key must be a position in 0…3, got 4',
    );
  });
});

describe('proxy scores', () => {
  it('divide the magnitude of each score by that of its visible row', () => {
    expect(Array.from(proxyScores([2, 99, -1, 3], { T: 2 }))).toEqual([1, 0, 0.25, 0.75]);
  });

  it('leave attention whose rows sum to one unchanged, and rows without mass at zero', () => {
    const scores = proxyScores(uniform4.flat(), { T: 4 });
    uniform4.flat().forEach((value, at) => {
      expect(scores[at]).toBeCloseTo(value, 6);
    });
    expect(Array.from(proxyScores([0, 0, 0, 0], { T: 2 }))).toEqual([0, 0, 0, 0]);
    expect(() => proxyScores([0, 0, Number.NaN, 0], { T: 2 })).toThrow(
      'proxyScores: similarity of query 1 to key 0 is NaN',
    );
    expect(() => proxyScores([1], { T: 2 })).toThrow('proxyScores: similarity must hold T × S = 4 values, got 1');
  });
});

describe('the spread of shares', () => {
  it('is the mean with the deviation of a sample, 0 for one text', () => {
    expect(spreadOfShares({ sum: 10, squares: 30, n: 4, of: 10 })).toEqual({
      mean: 0.25,
      deviation: Math.sqrt(5 / 3) / 10,
      n: 4,
    });
    expect(spreadOfShares({ sum: 4, squares: 16, n: 1, of: 10 })).toEqual({ mean: 0.4, deviation: 0, n: 1 });
    expect(() => spreadOfShares({ sum: 0, squares: 0, n: 0, of: 10 })).toThrow(
      'spread: expected at least one text, got none',
    );
  });
});
