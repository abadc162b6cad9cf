import { describe, expect, it } from 'vitest';
import { rotary } from '../../src/attention/positions/rope-frequencies.ts';

describe('frequencies of the turning part of a head', () => {
  it('are theta^(−2i / width), one for each pair', () => {
    expect(rotary({ kind: 'default', theta: 10_000, partial: 1 }, 8).frequencies).toEqual(
      [1, 0.1, 0.01, 0.001].map((f) => expect.closeTo(f, 12)),
    );
    expect(rotary({ kind: 'default', theta: 10_000, partial: 0.5 }, 8).frequencies).toEqual([
      1,
      expect.closeTo(0.01, 12),
    ]);
  });

  it('an odd width turns one component more, with the frequencies of the odd width', () => {
    expect(rotary({ kind: 'default', theta: 10_000, partial: 0.5 }, 6).frequencies).toEqual([
      1,
      expect.closeTo(10_000 ** (-2 / 3), 12),
    ]);
  });

  it('are divided by the factor of linear scaling', () => {
    expect(rotary({ kind: 'linear', theta: 10_000, partial: 1, factor: 4 }, 4).frequencies).toEqual([
      0.25,
      expect.closeTo(0.0025, 12),
    ]);
  });

  it('are those of the whole head in proportional RoPE, the rest of the pairs at 0', () => {
    expect(rotary({ kind: 'proportional', theta: 10_000, partial: 0.5, factor: 2 }, 8).frequencies).toEqual([
      0.5,
      expect.closeTo(0.05, 12),
      0,
      0,
    ]);
  });
});
