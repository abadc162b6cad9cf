import { describe, expect, it } from 'vitest';
import { convolution } from '../../src/layers/convolution.ts';
import { normal, seededRandom } from '../../src/random.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { input, lower } from '../../src/tensor/index.ts';

const values = (length: number, seed: number) => {
  const draw = normal(seededRandom(seed));
  return Float32Array.from({ length }, () => draw());
};

describe('a convolution of width 3', () => {
  it.each([
    [1, 7],
    [1, 1],
    [2, 8],
    [2, 2],
  ] as const)('with stride %i over %i frames is what plain loops compute', async (stride, N) => {
    const [B, C, M] = [2, 3, 4];
    const [x, w, b] = [values(B * C * N, 1), values(M * C * 3, 2), values(M, 3)];
    await using runtime = nodeRuntime({ threads: 1 });
    const y = convolution(input('x', { B: 'B', C, N }), 'conv', { M, C, stride });
    const graph = lower({ y: { value: y, order: ['B', 'M', 'N'] } }, { weights: 'inputs' });
    const weights = Object.fromEntries(
      graph.weights.map(({ input: name, weight }) => [
        name,
        weight.endsWith('bias')
          ? ({ type: 'float32', shape: [M], data: b } as const)
          : ({ type: 'float32', shape: [M, C, 3], data: w } as const),
      ]),
    );
    const program = await runtime.compile(graph);
    const made = await program.run({ x: { type: 'float32', shape: [B, C, N], data: x }, ...weights });
    const frames = N / stride;
    expect(made.y!.shape).toEqual([B, M, frames]);
    let worst = 0;
    for (let one = 0; one < B; one++)
      for (let m = 0; m < M; m++)
        for (let n = 0; n < frames; n++) {
          let sum = b[m]!;
          for (let c = 0; c < C; c++)
            for (let j = 0; j < 3; j++) {
              const from = stride * n + j - 1;
              if (from >= 0 && from < N) sum += w[(m * C + c) * 3 + j]! * x[(one * C + c) * N + from]!;
            }
          worst = Math.max(worst, Math.abs(sum - Number(made.y!.data[(one * M + m) * frames + n])));
        }
    expect(worst).toBeLessThan(1e-5);
  });

  it('with stride 2 refuses an odd number of frames', () => {
    const x = input('x', { B: 'B', C: 3, N: 7 });
    expect(() => convolution(x, 'conv', { M: 4, C: 3, stride: 2 })).toThrow(
      'convolution with stride 2: expected an even number of frames, got 7',
    );
  });
});
