import { describe, expect, it } from 'vitest';
import { uniformAttention } from '../../src/measure/uniform.ts';
import { keysSeenBy, queriesThatSee } from '../../src/measure/visibility.ts';
import { naiveUniform, naiveVisible } from './naive/uniform.ts';

const cases: { T: number; window: number | null; first: number; prefix: number; causal: boolean }[] = [];
for (const T of [1, 2, 21, 64]) {
  for (const window of [null, 1, 2, 8, 100]) {
    for (const first of [0, 3]) {
      for (const prefix of [0, 1, 5, 70]) if (first < T) cases.push({ T, window, first, prefix, causal: true });
      if (first < T) cases.push({ T, window, first, prefix: 0, causal: false });
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
    const { alpha, received, receivedQueries } = uniformAttention({ T: 4 });
    expect(received[0]).toBeCloseTo((1 / 2 + 1 / 3 + 1 / 4) / 3, 14);
    expect(Array.from(received.subarray(1))).toEqual(Array.from(alpha.subarray(1)));
    expect(Array.from(receivedQueries)).toEqual([3, 3, 2, 1]);
  });

  it('passes 0.3 at key 0 in texts of nine tokens and not in texts of ten', () => {
    expect(uniformAttention({ T: 9 }).alpha[0]).toBeGreaterThan(0.3);
    expect(uniformAttention({ T: 10 }).alpha[0]).toBeLessThan(0.3);
  });

  it('is the plain mean of the drawn mask for every length, window, padding and prefix', () => {
    for (const given of cases) {
      const { T, window, first, prefix, causal } = given;
      const fast = uniformAttention(given);
      const slow = naiveUniform(T, window, first, prefix, causal);
      const label = JSON.stringify(given);
      expect(Array.from(fast.queries), label).toEqual(slow.queries);
      expect(Array.from(fast.receivedQueries), label).toEqual(slow.receivedQueries);
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
    for (const given of cases) {
      const { T, window, first, prefix, causal } = given;
      const visible = naiveVisible(T, window, first, prefix, causal);
      for (let a = 0; a < T; a++) {
        const keys = keysSeenBy(given, a);
        const queries = queriesThatSee(given, a);
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

  it('is 1 / S for every key where attention is bidirectional, row 0 counted', () => {
    const { alpha, received, receivedQueries, entropy } = uniformAttention({ T: 8, causal: false });
    for (let k = 0; k < 8; k++) {
      expect(alpha[k]).toBeCloseTo(1 / 8, 15);
      expect(received[k]).toBe(alpha[k]);
    }
    expect(Array.from(receivedQueries)).toEqual(Array(8).fill(8));
    expect(entropy).toBeCloseTo(Math.log(8), 14);
  });

  it('counts keys on both sides of a query in a bidirectional window, |i − k| < window', () => {
    const { queries, alpha } = uniformAttention({ T: 5, window: 2, causal: false });
    expect(Array.from(queries)).toEqual([2, 3, 3, 3, 2]);
    expect(alpha[0]).toBeCloseTo((1 / 2 + 1 / 3) / 2, 15);
    expect(alpha[2]).toBeCloseTo(1 / 3, 15);
  });

  it('is over the keys of the other text in cross-attention', () => {
    const { alpha, queries, rowEntropy } = uniformAttention({ T: 3, S: 7, causal: false });
    expect(alpha).toHaveLength(7);
    for (const value of alpha) expect(value).toBeCloseTo(1 / 7, 15);
    expect(Array.from(queries)).toEqual(Array(7).fill(3));
    expect(Array.from(rowEntropy)).toEqual(Array(3).fill(Math.log(7)));
    expect(() => uniformAttention({ T: 3, S: 7 })).toThrow(
      'visibility: S must be T = 3 unless attention is bidirectional, without window and padding, got 7',
    );
    expect(() => uniformAttention({ T: 3, prefix: 2, causal: false })).toThrow(
      'visibility: prefix must be 0 where attention is bidirectional, got 2',
    );
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
