import { describe, expect, it } from 'vitest';
import { wholeText } from '../../src/attention/places.ts';
import { coarseAlibi } from '../../src/attention/positions/coarse-alibi.ts';
import { interpolatedSlopes } from '../../src/attention/positions/position-bias.ts';
import type { Scores } from '../../src/attention/steps.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { constant, lower } from '../../src/tensor/index.ts';

/** The nearest bfloat16, ties to even. */
function bfloat16(x: number): number {
  const bits = new Uint32Array(new Float32Array([x]).buffer)[0]!;
  const rounded = bits + 0x7fff + ((bits >>> 16) & 1);
  return new Float32Array(new Uint32Array([rounded & 0xffff0000]).buffer)[0]!;
}

describe('ALiBi of checkpoints', () => {
  it('slopes between powers of two are those of the power below, then every second one of the power above', () => {
    expect(interpolatedSlopes(4)).toEqual([2 ** -2, 2 ** -4, 2 ** -6, 2 ** -8]);
    expect(interpolatedSlopes(6)).toEqual([2 ** -2, 2 ** -4, 2 ** -6, 2 ** -8, 2 ** -1, 2 ** -3]);
    expect(interpolatedSlopes(2, 4)).toEqual([2 ** -2, 2 ** -4]);
  });

  it('Falcon rounds slopes, positions and their products to bfloat16', async () => {
    const [H, T] = [12, 700];
    const zeros = constant(new Array(H * T).fill(0), { B: 1, G: H, R: 1, T: 1, S: T }) as unknown as Scores;
    const made = coarseAlibi({ H, G: H }, 0.5)(zeros, wholeText(T));
    await using runtime = nodeRuntime({ threads: 1 });
    const graph = lower({ made: { value: made, order: ['B', 'G', 'R', 'T', 'S'] } }, { weights: 'inputs' });
    const bias = (await (await runtime.compile(graph)).run({})).made!.data as Float32Array;
    const expected = interpolatedSlopes(H).flatMap((slope) =>
      Array.from({ length: T }, (_, j) => 0.5 * bfloat16(bfloat16(slope) * bfloat16(j))),
    );
    expect(Math.max(...expected)).toBeGreaterThan(200);
    expect(Array.from(bias)).toEqual(expected);
  });
});
