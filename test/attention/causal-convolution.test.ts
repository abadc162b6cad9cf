import { describe, expect, it } from 'vitest';
import { depthwise, grouped, lastOf, withPast } from '../../src/attention/convolutions/causal-convolution.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { constant, lower, type Tensor } from '../../src/tensor/index.ts';
import { worst } from './support.ts';

async function valuesOf(value: Tensor<string>, order: readonly string[]): Promise<number[]> {
  await using runtime = nodeRuntime({ threads: 1 });
  const program = await runtime.compile(lower({ y: { value, order } }, { weights: 'inputs' }));
  return [...((await program.run({})).y!.data as Float32Array)];
}

const wave = (length: number, seed: number) => Array.from({ length }, (_, i) => Math.sin(seed + 1.7 * i));

describe('causal convolutions', () => {
  const text = constant([1, 2, 4], { T: 3, D: 1 });
  // Stored oldest first: 1 on the token itself, 0.5 on the one before, 0.25 on the one before that.
  const filter = constant([0.25, 0.5, 1], { D: 1, tap: 3 });

  it('filter (1, 0.5, 0.25) over 1, 2, 4 gives 1, 2.5, 5.25', async () => {
    const y = depthwise(withPast(text, 'T', 2), 'T', filter);
    expect(await valuesOf(y as never, ['T', 'D'])).toEqual([1, 2.5, 5.25]);
  });

  it('without a past only the places that see all taps are left', async () => {
    expect(await valuesOf(depthwise(text, 'T', filter) as never, ['T', 'D'])).toEqual([5.25]);
  });

  it('a text in two parts, the second after the end of the first, is the whole text', async () => {
    const past = lastOf(withPast(constant([1, 2], { T: 2, D: 1 }), 'T', 2), 'T', 2);
    const y = depthwise(withPast(constant([4], { T: 1, D: 1 }), 'T', 2, past), 'T', filter);
    expect(await valuesOf(y as never, ['T', 'D'])).toEqual([5.25]);
  });

  it('the bias is added once', async () => {
    const y = depthwise(withPast(text, 'T', 2), 'T', filter, constant([10], { D: 1 }));
    expect(await valuesOf(y as never, ['T', 'D'])).toEqual([11, 12.5, 15.25]);
  });

  it('grouped: channels of a head mix, those of another do not', async () => {
    const x = constant([1, 2, 3, 4, 5, 6, 7, 8], { T: 2, head: 2, D: 2 });
    // [head][out][in][tap]: head 0 sums its channels now; head 1 gives out its second channel of the token before, twice.
    const filters = [0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0];
    const y = grouped(withPast(x, 'T', 1), 'T', constant(filters, { head: 2, out: 2, D: 2, tap: 2 }));
    expect(await valuesOf(y as never, ['T', 'head', 'D'])).toEqual([3, 0, 0, 0, 11, 0, 4, 4]);
  });

  it('depthwise and then grouped is one grouped convolution of three taps (compressed convolutional attention, check 4)', async () => {
    const [T, heads, D] = [6, 2, 3];
    const x = constant(wave(T * heads * D, 1), { T, head: heads, D });
    const [a, b] = [wave(heads * D * 2, 2), wave(heads * D * D * 2, 3)];
    const first = depthwise(x, 'T', constant(a, { head: heads, D, tap: 2 }));
    const two = grouped(first, 'T', constant(b, { head: heads, out: D, D, tap: 2 }));
    // tap(t) = B₀ diag a₀, tap(t − 1) = B₀ diag a₋₁ + B₋₁ diag a₀, tap(t − 2) = B₋₁ diag a₋₁.
    const three: number[] = [];
    for (let head = 0; head < heads; head++)
      for (let out = 0; out < D; out++)
        for (let c = 0; c < D; c++) {
          const [a1, a0] = [a[(head * D + c) * 2]!, a[(head * D + c) * 2 + 1]!];
          const [b1, b0] = [b[((head * D + out) * D + c) * 2]!, b[((head * D + out) * D + c) * 2 + 1]!];
          three.push(b1 * a1, b0 * a1 + b1 * a0, b0 * a0);
        }
    const one = grouped(x, 'T', constant(three, { head: heads, out: D, D, tap: 3 }));
    const order = ['T', 'head', 'D'];
    const [both, collapsed] = [await valuesOf(two as never, order), await valuesOf(one as never, order)];
    expect(both.length).toBe((T - 2) * heads * D);
    expect(worst(both, collapsed)).toBeLessThan(1e-6);
  });
});
