import { describe, expect, it } from 'vitest';
import { headWiseRmsNorm } from '../../src/attention/mechanisms/head-wise-rms-norm.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { normal, seededRandom } from '../../src/random.ts';
import { naiveHeadWiseRmsNorm } from './naive/head-wise-rms-norm.ts';
import { timesMatrix } from './naive/heads.ts';
import { runLayer, smallSizes, someStream, worst } from './support.ts';

const x = someStream(2, 7);

const short = (weights: ReadonlyMap<string, Float32Array>) =>
  Object.fromEntries(
    [...weights].map(([name, values]) => [name.replace(/^.*self_attn\./, '').replace('.weight', ''), values]),
  );

describe('the graph is what the naive loops define', () => {
  it.each(['shared', 'per-head'] as const)('λ %s', async (scale) => {
    const run = await runLayer(headWiseRmsNorm({ scale }), x);
    const stored = short(run.weights);
    const options = { epsilon: 1e-5, perHead: scale === 'per-head' };
    const defined = x.flatMap((text) => naiveHeadWiseRmsNorm(text, stored, smallSizes, options).output.flat());
    expect(worst(run.output, defined)).toBeLessThan(1e-5);
  });
});

/** One head as wide as the stream whose output projection is the identity: outputs are heads. */
const one = { H: 1, G: 1, D: 4, M: 4 };
const identity = Float32Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 1 : 0));
const plainHead = { 'o_proj.weight': identity };
const normedHead = { ...plainHead, 'head_norm.weight': [1, 1, 1, 1] };

const rms = (row: ArrayLike<number>) =>
  Math.sqrt(Array.from(row).reduce((sum, value) => sum + value ** 2, 0) / row.length);

describe('with λ = 1 and ε = 0', () => {
  it('the root mean square of every head output is 1', async () => {
    const run = await runLayer(headWiseRmsNorm({ epsilon: 0 }), someStream(2, 7, 4), {
      site: { sizes: one },
      weights: normedHead,
    });
    for (let row = 0; row < 14; row++) expect(rms(run.output.subarray(row * 4, row * 4 + 4))).toBeCloseTo(1, 6);
  });

  it('a text of one token gives v / RMS(v)', async () => {
    const text = someStream(1, 1, 4);
    const run = await runLayer(headWiseRmsNorm({ epsilon: 0 }), text, { site: { sizes: one }, weights: normedHead });
    const [v] = timesMatrix(text[0]!, short(run.weights).v_proj!);
    expect(
      worst(
        run.output,
        v!.map((value) => value / rms(v!)),
      ),
    ).toBeLessThan(1e-6);
  });

  it('outputs have one variance at all positions, where uniform attention over independent values has 1 / (t + 1)', async () => {
    const [B, T] = [400, 8];
    const draw = normal(seededRandom(5));
    const texts = Array.from({ length: B }, () => Array.from({ length: T }, () => Array.from({ length: 4 }, draw)));
    // No queries: attention is uniform. Values are the stream itself.
    const weights = { 'q_proj.weight': new Float32Array(16), 'v_proj.weight': identity };
    const variances = async (
      mechanism: ReturnType<typeof softmaxAttention>,
      own: Readonly<Record<string, readonly number[] | Float32Array>>,
    ) => {
      const { output } = await runLayer(mechanism, texts, {
        site: { sizes: one },
        weights: { ...weights, ...own },
        watched: false,
      });
      return Array.from({ length: T }, (_, t) => {
        let total = 0;
        for (let d = 0; d < 4; d++) {
          const values = texts.map((_, b) => output[(b * T + t) * 4 + d]!);
          const mean = values.reduce((a, b) => a + b, 0) / B;
          total += values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / B / 4;
        }
        return total;
      });
    };
    const plain = await variances(softmaxAttention(), plainHead);
    const normed = await variances(headWiseRmsNorm({ epsilon: 0 }), normedHead);
    for (const [t, variance] of plain.entries()) expect(Math.abs(variance * (t + 1) - 1)).toBeLessThan(0.1);
    for (const variance of normed) expect(Math.abs(variance - 1)).toBeLessThan(0.02);
  });
});

describe('options outside their range are refused by type and by name', () => {
  it('scale and epsilon', () => {
    // @ts-expect-error no such scale
    expect(() => headWiseRmsNorm({ scale: 'none' })).toThrow(
      'head-wise RMSNorm: scale must be shared or per-head, got "none"',
    );
    expect(() => headWiseRmsNorm({ epsilon: -1 })).toThrow(
      'head-wise RMSNorm: epsilon must be a number of at least 0, got -1',
    );
  });
});
