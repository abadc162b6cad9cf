import { describe, expect, it } from 'vitest';
import { RunError } from '../../src/error.ts';
import { detectMassive, massiveLabel, residualExtremes } from '../../src/measure/massive-detector.ts';
import { naiveMassive } from './naive/massive.ts';
import { generator } from './naive/patterns.ts';

const layer = (fill: number, peak: number, at = 5) => {
  const h = new Float32Array(12).fill(fill);
  h[at] = peak;
  return h;
};
const find = (...residuals: Float32Array[]) => detectMassive(residuals.map((h) => residualExtremes(h, 3, 4)));

describe('the detector of massive activations', () => {
  it('finds 150 over a median of 0.05 massive with a ratio of 3000', () => {
    const { activations } = find(layer(0.05, 150));
    expect(activations).toEqual([
      { layer: 0, position: 1, dimension: 1, value: 150, ratio: expect.closeTo(3000, 3), massive: true },
    ]);
  });

  it('calls 150 over a median of 0.2, ratio 750, borderline', () => {
    const found = find(layer(0.2, -150));
    expect(found.activations).toEqual([
      { layer: 0, position: 1, dimension: 1, value: -150, ratio: expect.closeTo(750, 3), massive: false },
    ]);
    expect(found.written).toBeNull();
    expect(massiveLabel(-150, 0.2)).toBe('borderline');
  });

  it('holds 90 over a median of 0.01 to be below the floor whatever its ratio', () => {
    const found = find(layer(0.01, 90));
    expect(found.activations).toEqual([]);
    expect(found.largestRatio).toBeCloseTo(9000, 1);
    expect(massiveLabel(90, 0.01)).toBe('below the floor');
  });

  it('takes the floor strictly and the ratio inclusively', () => {
    expect(massiveLabel(100, 0.001)).toBe('below the floor');
    expect(massiveLabel(250, 0.25)).toBe('massive');
    expect(massiveLabel(249, 0.25)).toBe('borderline');
    expect(massiveLabel(124, 0.25)).toBe('ordinary');
  });

  it('says which block writes and which erases', () => {
    const quiet = layer(0.05, 1);
    const loud = layer(0.05, 150);
    expect(find(quiet, loud, loud, quiet)).toMatchObject({ written: 1, last: 2, erased: 3 });
    expect(find(quiet, loud)).toMatchObject({ written: 1, last: 1, erased: null });
    expect(find(quiet)).toMatchObject({ written: null, last: null, erased: null });
  });

  it('agrees with a full search where a layer has at most three massive entries', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const next = generator(seed);
      const h = Array.from({ length: 7 }, () => Array.from({ length: 9 }, () => next() - 0.5));
      for (let n = 0; n < seed % 4; n++) h[Math.floor(next() * 7)]![Math.floor(next() * 9)] = (next() - 0.5) * 2000;
      const found = detectMassive([residualExtremes(h.flat(), 7, 9)]).activations.filter(({ massive }) => massive);
      const key = (entry: { position: number; dimension: number }) => `${entry.position} ${entry.dimension}`;
      expect(found.map(key).sort()).toEqual(naiveMassive(h).map(key).sort());
    }
  });

  it('keeps the three largest magnitudes in order, the earliest of equal ones first', () => {
    const { largest, median } = residualExtremes([1, -5, 3, 5, 2, 0], 2, 3);
    expect(largest).toEqual([
      { value: -5, position: 0, dimension: 1 },
      { value: 5, position: 1, dimension: 0 },
      { value: 3, position: 0, dimension: 2 },
    ]);
    expect(median).toBe(2.5);
    expect(residualExtremes([4], 1, 1).largest).toHaveLength(1);
  });

  it('gives the same labels for a layer of zeros with a finite ratio', () => {
    const found = find(layer(0, 150));
    expect(found.activations[0]!.massive).toBe(true);
    expect(Number.isFinite(found.largestRatio)).toBe(true);
    expect(find(layer(0, 0)).largestRatio).toBe(0);
  });

  it('stops at values that are not numbers, and names the place', () => {
    expect(() => residualExtremes(layer(1, Number.NaN), 3, 4)).toThrow(
      new RunError('residual: position 1 dimension 1 is NaN'),
    );
    expect(() => residualExtremes([1, 2], 1, 3)).toThrow('residual: expected T × M = 1 × 3 values, got 2');
    expect(() => detectMassive([{ largest: [], median: Number.NaN }])).toThrow(
      'residual: the median of layer 0 is NaN',
    );
  });
});
