import { describe, expect, it } from 'vitest';
import { uniformAttention } from '../../src/measure/uniform.ts';
import { keysSeenBy, queriesThatSee } from '../../src/measure/visibility.ts';
import { naiveUniform, naiveVisible } from './naive/uniform.ts';

const cases: { T: number; window: number | null; first: number; prefix: number }[] = [];
for (const T of [1, 2, 21, 64]) {
  for (const window of [null, 1, 2, 8, 100]) {
    for (const first of [0, 3]) {
      for (const prefix of [0, 1, 5, 70]) if (first < T) cases.push({ T, window, first, prefix });
    }
  }
}

describe('uniform attention', () => {
  it('gives the importance scores of the paper for four tokens, of which two pass 0.3', () => {
    const { alpha } = uniformAttention({ T: 4 });
    const expected = [(1 + 1 / 2 + 1 / 3 + 1 / 4) / 4, (1 / 2 + 1 / 3 + 1 / 4) / 3, (1 / 3 + 1 / 4) / 2, 1 / 4];
    expected.forEach((value, k) => {
      expect(alpha[k]).toBeCloseTo(value, 14);
    });
    expect(alpha[0]).toBeCloseTo(0.52083, 5);
    expect(Array.from(alpha).filter((value) => value > 0.3)).toHaveLength(2);
  });

  it('leaves row 0 out of received for key 0 and nothing out for later keys', () => {
    const { alpha, received, laterQueries } = uniformAttention({ T: 4 });
    expect(received[0]).toBeCloseTo((1 / 2 + 1 / 3 + 1 / 4) / 3, 14);
    expect(Array.from(received.subarray(1))).toEqual(Array.from(alpha.subarray(1)));
    expect(Array.from(laterQueries)).toEqual([3, 3, 2, 1]);
  });

  it('passes 0.3 at key 0 in texts of nine tokens and not in texts of ten', () => {
    expect(uniformAttention({ T: 9 }).alpha[0]).toBeGreaterThan(0.3);
    expect(uniformAttention({ T: 10 }).alpha[0]).toBeLessThan(0.3);
  });

  it('is the plain mean of the drawn mask for every length, window, padding and prefix', () => {
    for (const { T, window, first, prefix } of cases) {
      const fast = uniformAttention({ T, window, first, prefix });
      const slow = naiveUniform(T, window, first, prefix);
      const label = JSON.stringify({ T, window, first, prefix });
      expect(Array.from(fast.queries), label).toEqual(slow.queries);
      expect(Array.from(fast.laterQueries), label).toEqual(slow.laterQueries);
      for (const name of ['alpha', 'received'] as const) {
        slow[name].forEach((value, k) => {
          if (Number.isNaN(value)) expect(fast[name][k], `${label} ${name} ${k}`).toBeNaN();
          else expect(fast[name][k], `${label} ${name} ${k}`).toBeCloseTo(value, 12);
        });
      }
      expect(fast.entropy, label).toBeCloseTo(slow.entropy, 12);
    }
  });

  it('lists for each query and each key exactly the visible range of the mask', () => {
    let compared = 0;
    let different = 0;
    for (const { T, window, first, prefix } of cases) {
      const visible = naiveVisible(T, window, first, prefix);
      for (let a = 0; a < T; a++) {
        const keys = keysSeenBy({ T, window, first, prefix }, a);
        const queries = queriesThatSee({ T, window, first, prefix }, a);
        for (let b = 0; b < T; b++) {
          compared += 2;
          if (visible[a]![b] !== (b >= keys.from && b < keys.to)) different++;
          if (visible[b]![a] !== (b >= queries.from && b < queries.to)) different++;
        }
      }
    }
    expect(different).toBe(0);
    expect(compared).toBeGreaterThan(100_000);
  });

  it('keeps full precision at 32,000 tokens', () => {
    const { alpha } = uniformAttention({ T: 32_000 });
    expect(alpha[31_999]).toBeCloseTo(1 / 32_000, 14);
    expect(alpha[0]! * 32_000).toBeCloseTo(Math.log(32_000) + 0.5772156649015329 + 1 / 64_000, 8);
  });

  it('has no value for padding, nor for key 0 where only row 0 sees it', () => {
    const padded = uniformAttention({ T: 4, first: 2 });
    expect(padded.alpha[1]).toBeNaN();
    expect(padded.alpha[2]).toBeCloseTo(0.75, 14);
    expect(uniformAttention({ T: 4, window: 1 }).received[0]).toBeNaN();
    expect(uniformAttention({ T: 4, window: 1 }).received[1]).toBe(1);
  });

  it('refuses impossible sizes and names them', () => {
    expect(() => uniformAttention({ T: 0 })).toThrow('visibility: T must be a whole number of at least 1, got 0');
    expect(() => uniformAttention({ T: 4, window: 0 })).toThrow(
      'visibility: window must be null or a whole number of at least 1, got 0',
    );
    expect(() => uniformAttention({ T: 4, first: 4 })).toThrow('visibility: first must be a position in 0…3, got 4');
    expect(() => uniformAttention({ T: 4, prefix: 1.5 })).toThrow(
      'visibility: prefix must be a whole number of at least 0, got 1.5',
    );
  });
});
