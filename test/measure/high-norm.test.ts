import { describe, expect, it } from 'vitest';
import { describePatches } from '../../src/load/token-roles.ts';
import { highNormTokens } from '../../src/measure/high-norm.ts';
import { generator } from './naive/patterns.ts';

const tokens = describePatches(['class', 'register'], { rows: 4, columns: 5 });

describe('tokens of high norm', () => {
  it('are three deviations above the mean of the patches and twice their median, with the layers in which they are', () => {
    const even = Array(22).fill(10);
    // One of 20 is always √19 deviations from the mean of all: 19 lacks the factor of two.
    const layers = [even, even.with(7, 60), even.with(7, 80), even.with(7, 19)];
    expect(highNormTokens(layers, tokens)).toEqual([
      { ...tokens[7], firstLayer: 1, lastLayer: 2, layer: 2, norm: 80, ratio: 8 },
    ]);
  });

  it('are not a quarter of the patches', () => {
    // Mean 15, deviation 8.7: 30 is thrice the median and less than two deviations away.
    const layer = Array.from({ length: 22 }, (_, i) => (i >= 2 && i < 7 ? 30 : 10));
    expect(highNormTokens([layer], tokens)).toEqual([]);
  });

  it('may be class token or register, which move neither mean nor median', () => {
    const layer = Array.from({ length: 22 }, (_, i) => (i === 1 ? 500 : 10 + (i % 2)));
    expect(highNormTokens([layer], tokens).map(({ position, role }) => [position, role])).toEqual([[1, 'register']]);
  });

  it('are none among norms of one kind, and none where too few tokens are ordinary', () => {
    const next = generator(5);
    const layers = Array.from({ length: 6 }, () => Array.from({ length: 22 }, () => 10 + 3 * next()));
    expect(highNormTokens(layers, tokens)).toEqual([]);
    expect(highNormTokens([Array(8).fill(1).with(4, 100)], tokens.slice(0, 8))).toEqual([]);
  });
});
