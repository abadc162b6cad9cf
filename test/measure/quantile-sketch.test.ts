import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/error.ts';
import { medianMagnitude } from '../../src/measure/median.ts';
import { QuantileSketch } from '../../src/measure/quantile-sketch.ts';
import { generator } from './naive/patterns.ts';

const floats = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 60 });
const sketchOf = (values: readonly number[]) => new QuantileSketch().add(Float32Array.from(values));
const sortedMagnitudes = (values: number[]) => values.map(Math.abs).sort((a, b) => a - b);

describe('the quantile sketch', () => {
  it('answers every quantile within its relative error, over all normal numbers of float32', () => {
    fc.assert(
      fc.property(floats, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
        const exact = sortedMagnitudes(values)[Math.floor(q * (values.length - 1))]!;
        const estimate = sketchOf(values).quantile(q);
        if (exact < 2 ** -126) expect(estimate).toBe(0);
        else expect(Math.abs(estimate / exact - 1)).toBeLessThanOrEqual(QuantileSketch.relativeError);
      }),
      { numRuns: 60 },
    );
  });

  it('merges exactly, in any order and grouping', () => {
    fc.assert(
      fc.property(floats, floats, floats, (a, b, c) => {
        const whole = sketchOf([...a, ...b, ...c]).toJSON();
        expect(sketchOf(a).merge(sketchOf(b)).merge(sketchOf(c)).toJSON()).toEqual(whole);
        expect(
          sketchOf(c)
            .merge(sketchOf(b).merge(sketchOf(a)))
            .toJSON(),
        ).toEqual(whole);
      }),
      { numRuns: 15 },
    );
  });

  it('comes back from its JSON form unchanged', () => {
    const sketch = sketchOf([0, 1, -2, 3e8, 1e-40]);
    const copy = QuantileSketch.fromJSON(JSON.parse(JSON.stringify(sketch)));
    expect(copy.toJSON()).toEqual(sketch.toJSON());
    expect(copy.count).toBe(5);
    expect(copy.quantile(0.5)).toBe(sketch.quantile(0.5));
  });

  it('finds the median of magnitudes that span five decades within a fifth of a per cent', () => {
    const next = generator(5);
    const values = Float32Array.from({ length: 20_001 }, () => 10 ** (5 * next() - 2) * (next() < 0.5 ? -1 : 1));
    const exact = medianMagnitude(values);
    expect(Math.abs(new QuantileSketch().add(values).quantile(0.5) / exact - 1)).toBeLessThan(0.002);
  });

  it('counts zeros as zero', () => {
    const sketch = sketchOf([0, 0, 0, 5]);
    expect(sketch.quantile(0.5)).toBe(0);
    expect(sketch.quantile(1)).toBeCloseTo(5, 1);
  });

  it('refuses what it cannot count, and adds nothing then', () => {
    const sketch = sketchOf([1]);
    expect(() => sketch.add(Float32Array.of(2, Number.NaN))).toThrow(
      'quantile sketch: expected finite values, entry 1 is NaN',
    );
    expect(() => sketch.add(Float32Array.of(Number.NEGATIVE_INFINITY))).toThrow(InputError);
    expect(sketch.count).toBe(1);
    expect(() => sketch.quantile(1.1)).toThrow('quantile sketch: q must lie in [0, 1], got 1.1');
    expect(() => new QuantileSketch().quantile(0.5)).toThrow('quantile sketch: no value was added');
  });

  it('refuses damaged JSON', () => {
    const good = { relativeError: 2 ** -9, buckets: [[0, 1]] };
    expect(QuantileSketch.fromJSON(good).count).toBe(1);
    for (const bad of [
      null,
      { ...good, more: 1 },
      { ...good, relativeError: 1e-9 },
      { ...good, buckets: [[0, -1]] },
      { ...good, buckets: [[0xff00, 1]] },
      {
        ...good,
        buckets: [
          [0, 1],
          [0, 1],
        ],
      },
      {
        ...good,
        buckets: [
          [0, Number.MAX_SAFE_INTEGER],
          [1, 1],
        ],
      },
    ]) {
      expect(() => QuantileSketch.fromJSON(bad), JSON.stringify(bad)).toThrow(InputError);
    }
  });
});

describe('the exact median of magnitudes', () => {
  it('is the middle of the sorted magnitudes, or the mean of the two middle ones', () => {
    fc.assert(
      fc.property(floats, (values) => {
        const sorted = sortedMagnitudes(values);
        const n = sorted.length;
        const exact = n % 2 ? sorted[(n - 1) / 2]! : (sorted[n / 2 - 1]! + sorted[n / 2]!) / 2;
        expect(medianMagnitude(Float32Array.from(values))).toBe(exact);
      }),
      { numRuns: 200 },
    );
  });

  it('handles many equal and sorted values, and leaves its argument alone', () => {
    expect(medianMagnitude(new Float32Array(100_001).fill(-3))).toBe(3);
    const sorted = Float32Array.from({ length: 100_000 }, (_, i) => i);
    expect(medianMagnitude(sorted)).toBe(49_999.5);
    expect(sorted[7]).toBe(7);
  });

  it('refuses nothing and NaN', () => {
    expect(() => medianMagnitude([])).toThrow('median: expected at least one value, got none');
    expect(() => medianMagnitude([1, Number.NaN])).toThrow('median: entry 1 is not a number');
  });
});
