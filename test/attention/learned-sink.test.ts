import { describe, expect, it } from 'vitest';
import { learnedSink } from '../../src/attention/normalisers/learned-sink.ts';
import { dot } from '../../src/tensor/index.ts';
import { evaluate, given } from './evaluate.ts';

/** Two heads, three queries, five keys, of which the first query sees two. */
const [R, T, S, D] = [2, 3, 5, 4];
const values = (count: number, factor: number) =>
  Array.from({ length: count }, (_, i) => factor * Math.sin(1.7 * i + 1));
const scores = values(R * T * S, 4).map((score, i) =>
  i % (T * S) < S && i % S > 1 ? Number.NEGATIVE_INFINITY : score,
);
const v = values(S * D, 1);

describe('a learned sink', () => {
  it.each([
    [0.3, -1.2],
    [6, -6],
    [40, -40],
  ])(
    'with logits b = %f and %f is the factor σ(ln Σ e^s − b) on plain softmax, and takes what that leaves',
    async (...logits) => {
      const s = given('s', { B: 1, G: 1, R, T, S }, scores);
      const value = given('v', { B: 1, S, G: 1, D }, v);
      const b = given('b', { G: 1, R }, logits);
      const { pattern, sink } = learnedSink(b.tensor)(s.tensor);
      const made = await evaluate(
        {
          z: { value: dot(pattern, value.tensor, 'S'), order: ['B', 'G', 'R', 'T', 'D'] },
          sink: { value: sink!, order: ['B', 'G', 'R', 'T'] },
        },
        [s, value, b],
      );
      const z: number[] = [];
      const left: number[] = [];
      for (let row = 0; row < R * T; row++) {
        const of = scores.slice(row * S, (row + 1) * S);
        const total = of.reduce((sum, score) => sum + Math.exp(score), 0);
        const factor = 1 / (1 + Math.exp(logits[Math.floor(row / T)]! - Math.log(total)));
        left.push(1 - factor);
        for (let d = 0; d < D; d++)
          z.push(factor * of.reduce((sum, score, key) => sum + (Math.exp(score) / total) * v[key * D + d]!, 0));
      }
      for (const [i, expected] of z.entries()) expect(made.z![i]).toBeCloseTo(expected, 6);
      for (const [i, expected] of left.entries()) expect(made.sink![i]).toBeCloseTo(expected, 6);
    },
  );
});
