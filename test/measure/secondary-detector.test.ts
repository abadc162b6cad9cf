import { describe, expect, it } from 'vitest';
import { findPrimary, findTurnedTokens, sinkStrength } from '../../src/measure/secondary-detector.ts';
import { generator } from './naive/patterns.ts';
import { cosine, naiveSecondary, norm } from './naive/secondary.ts';

const N = 24;
const T = 40;
const width = 32;

function gaussian(next: () => number): number[] {
  return Array.from({ length: width }, () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
}

/** The synthetic model of the method: a primary at 0 in layers 3…22, a copy at 17 in 9…16 (with noise), at 25 in 9…11. */
function synthetic(seed: number, sign = 1): number[][][] {
  const next = generator(seed);
  const raw = gaussian(next);
  const u = raw.map((x) => x / norm(raw));
  return Array.from({ length: N }, (_, l) =>
    Array.from({ length: T }, (_, t) => {
      const ordinary = gaussian(next);
      const noise = ordinary.map((x) => (3 * x) / norm(ordinary));
      if (t === 0 && l >= 3 && l <= 22) return u.map((x) => 1000 * x);
      if (t === 17 && l >= 9 && l <= 16) return u.map((x, c) => sign * 30 * x + noise[c]!);
      if (t === 25 && l >= 9 && l <= 11) return u.map((x) => 30 * x);
      return ordinary;
    }),
  );
}

const normsOf = (h: number[][][]) => h.map((layer) => layer.map(norm));
const cosinesOf = (h: number[][][], b: number) => h.map((layer) => layer.map((v) => cosine(v, layer[b]!)));
function detect(h: number[][][], constants?: 'original' | 'relative') {
  const primary = findPrimary(normsOf(h));
  return { primary, turned: findTurnedTokens(cosinesOf(h, primary.position), primary, constants) };
}
const brief = (h: number[][][]) =>
  detect(h, 'original').turned.map(({ position, first, life, label }) => ({ position, first, life, label }));
const expected = [
  { position: 17, first: 9, life: 8, label: 'secondary' },
  { position: 25, first: 9, life: 3, label: 'noise' },
];

describe('the detector of secondary sinks', () => {
  it('analyses layers 2 to 4 for primary norms 1, 1, 100, 100, 100, 2', () => {
    const norms = [1, 1, 100, 100, 100, 2].map((n) => [n, 1, 1]);
    expect(findPrimary(norms)).toMatchObject({ position: 0, start: 2, end: 5, normRatio: 100, massive: true });
  });

  it('finds exactly the planted primary, secondary and noise', () => {
    const { primary } = detect(synthetic(1));
    expect(primary).toMatchObject({ position: 0, start: 3, end: 23, massive: true });
    expect(brief(synthetic(1))).toEqual(expected);
  });

  it('does not mind the sign of the direction', () => {
    expect(brief(synthetic(1, -1))).toEqual(expected);
  });

  it('does not mind the scale of a token', () => {
    const scaled = synthetic(1).map((layer) => layer.map((v, t) => (t === 17 ? v.map((x) => 0.01 * x) : v)));
    expect(brief(scaled)).toEqual(expected);
  });

  it('agrees with the definition in loops under both sets of constants', () => {
    for (const constants of ['original', 'relative'] as const) {
      for (let seed = 1; seed <= 5; seed++) {
        const h = synthetic(seed);
        const slow = naiveSecondary(h, [0, 1], constants);
        const fast = detect(h, constants);
        expect(fast.primary).toMatchObject({ position: slow.position, start: slow.start, end: slow.end });
        expect(
          fast.turned.map(({ position, first, last, life, label }) => ({ position, first, last, life, label })),
        ).toEqual(slow.tokens);
      }
    }
  });

  it('uses the relative constants below 32 layers unless told otherwise', () => {
    const h = synthetic(1);
    expect(detect(h).turned).toEqual(detect(h, 'relative').turned);
    expect(detect(h).turned.map(({ label }) => label)).toEqual(['secondary', 'secondary']);
    const primary = { position: 0, start: 1, end: 31, normRatio: 300, massive: true };
    const cosines = (layers: number, life: number) =>
      Array.from({ length: layers }, (_, l) => [1, l >= 2 && l < 2 + life ? 0.95 : 0]);
    const label = (layers: number, life: number) => findTurnedTokens(cosines(layers, life), primary)[0]!.label;
    expect([4, 5, 16, 17].map((life) => label(32, life))).toEqual(['noise', 'secondary', 'secondary', 'primary-like']);
    expect([3, 4, 20, 21].map((life) => label(31, life))).toEqual(['noise', 'secondary', 'secondary', 'primary-like']);
  });

  it('counts the layers of a token that comes and goes, and reports its span', () => {
    const primary = { position: 0, start: 1, end: 10, normRatio: 300, massive: true };
    const cosines = [0.99, 0, 0.95, -0.95, 0.9, 0.97, 0, 0, 0.2, 0, 0.99].map((c) => [1, c]);
    expect(findTurnedTokens(cosines, primary)).toEqual([
      { position: 1, layers: [2, 3, 5], first: 2, last: 5, life: 3, label: 'secondary', cosine: 0.97 },
    ]);
  });

  it('finds nothing without a primary of massive norm: ordinary vectors have no secondary sink', () => {
    const next = generator(9);
    const h = Array.from({ length: 12 }, () => Array.from({ length: 20 }, () => gaussian(next)));
    const { primary, turned } = detect(h);
    expect(primary.massive).toBe(false);
    expect(primary.normRatio).toBeLessThan(2);
    expect(turned).toEqual([]);
    const parallel = h.map((layer) => layer.map(() => 1));
    expect(findTurnedTokens(parallel, primary)).toEqual([]);
  });

  it('takes an ordinary token as reference without finding company', () => {
    const h = synthetic(2);
    const primary = { ...findPrimary(normsOf(h)), position: 5 };
    const lasting = findTurnedTokens(cosinesOf(h, 5), primary, 'original').filter(({ label }) => label !== 'noise');
    expect(lasting).toEqual([]);
  });

  it('chooses the candidate with the highest mean norm, and needs one inside the text', () => {
    const norms = [
      [1, 1, 50],
      [1, 90, 95],
      [1, 1, 1],
    ];
    expect(findPrimary(norms).position).toBe(1);
    expect(findPrimary(norms, [0, 1, 2]).position).toBe(2);
    expect(() => findPrimary(norms, [7])).toThrow('secondary sinks: candidates must be positions in 0…2, got 7');
  });

  it('ends the window at the last layer when the steepest rise is the last', () => {
    expect(findPrimary([[1], [2], [50]])).toMatchObject({ start: 2, end: 3 });
  });

  it('refuses uneven, single or broken layers', () => {
    expect(() => findPrimary([[1, 2]])).toThrow('secondary sinks: expected at least two layers, got 1');
    expect(() => findPrimary([[1, 2], [1]])).toThrow('secondary sinks: norms of layer 1 has 1 positions, expected 2');
    expect(() =>
      findPrimary([
        [1, 2],
        [1, Number.NaN],
      ]),
    ).toThrow('secondary sinks: norms of layer 1, position 1 is NaN');
    const primary = { position: 0, start: 1, end: 5, normRatio: 300, massive: true };
    expect(() => findTurnedTokens([[1], [1]], primary)).toThrow(
      "secondary sinks: cosine has 2 layers, the primary's window ends at 5",
    );
  });

  it('sets the attention to the primary beside the sum over the secondary sinks', () => {
    const { primary, turned } = detect(synthetic(1), 'original');
    const alpha = [0, 1].map((l) => Array.from({ length: T }, (_, t) => (t === 0 ? 0.5 - 0.1 * l : t / 100)));
    expect(sinkStrength(alpha, primary, turned)).toEqual({ primary: [0.5, 0.4], secondary: [0.17, 0.17] });
  });
});
