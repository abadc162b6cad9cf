import { expect, it } from 'vitest';
import { type SigmoidSharesOptions, sigmoidShares } from '../../src/models/parts/sigmoid-shares.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { addAlong, expand, input, lower, scalar } from '../../src/tensor/index.ts';

const [T, E] = [3, 6];
const logits = Float32Array.from({ length: T * E }, (_, i) => 2 * Math.sin(2.3 * i + 0.4));
const correction = Float32Array.of(0.3, -0.4, 0, 0.5, -0.2, 0.1);

/** Shares by expert, 0 for those not chosen. */
async function shares(options: SigmoidSharesOptions): Promise<number[][]> {
  await using runtime = nodeRuntime({ threads: 1 });
  const choice = sigmoidShares(options)(input('x', { B: 1, T, E }));
  const value = addAlong(expand(scalar(0), { B: 1, T, E }), choice.shares, choice.experts, 'E');
  const program = await runtime.compile(lower({ y: { value, order: ['B', 'T', 'E'] } }, { weights: 'inputs' }));
  const fed = program.graph.weights.map(({ input: name }) => [name, { type: 'float32', shape: [E], data: correction }]);
  const x = { type: 'float32' as const, shape: [1, T, E], data: logits };
  const { y } = await program.run({ x, ...Object.fromEntries(fed) });
  return Array.from({ length: T }, (_, t) => Array.from(y!.data.slice(t * E, (t + 1) * E) as never, Number));
}

const largest = (values: readonly number[], count: number) => [...values].sort((a, b) => b - a).slice(0, count);
const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

it.each([undefined, { count: 3, chosen: 1 }])(
  'shares are sigmoids of the experts chosen by score and correction, in the best groups, scaled to sum to one: %o',
  async (groups) => {
    const made = await shares({
      ...{ E, chosen: 2, correction: 'b', normed: true, scale: 2.5 },
      ...(groups && { groups }),
    });
    for (const [t, row] of made.entries()) {
      const scores = Array.from(logits.subarray(t * E, (t + 1) * E), (x) => 1 / (1 + Math.exp(-x)));
      const corrected = scores.map((score, e) => score + correction[e]!);
      const best = Array.from({ length: 3 }, (_, g) => total(largest(corrected.slice(2 * g, 2 * g + 2), 2)));
      const open = corrected.map((score, e) =>
        groups && !largest(best, 1).includes(best[Math.floor(e / 2)]!) ? Number.NEGATIVE_INFINITY : score,
      );
      const kept = scores.map((score, e) => (largest(open, 2).includes(open[e]!) ? score : 0));
      for (const [e, share] of row.entries()) expect(share).toBeCloseTo((2.5 * kept[e]!) / total(kept), 6);
    }
  },
);

it('without scaling, correction and groups they are the largest sigmoids themselves', async () => {
  for (const [t, row] of (await shares({ E, chosen: 3, normed: false })).entries()) {
    const scores = Array.from(logits.subarray(t * E, (t + 1) * E), (x) => 1 / (1 + Math.exp(-x)));
    for (const [e, share] of row.entries())
      expect(share).toBeCloseTo(largest(scores, 3).includes(scores[e]!) ? scores[e]! : 0, 6);
  }
});
