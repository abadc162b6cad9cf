import { describe, expect, it } from 'vitest';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { alibiSlopes, relativeBias, relativeBuckets } from '../../src/attention/positions/position-bias.ts';
import { type PositionName, positionNames, positions } from '../../src/attention/positions/positions.ts';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { gradients, input, iota, lower, sum, type Tensor, type Within } from '../../src/tensor/index.ts';
import { alibiBias, causalRows, sinusoids, t5Bucket } from './naive/positions.ts';
import { runLayer, smallSizes, someStream, weightNodes, worst } from './support.ts';

const { H, G, D, M } = smallSizes;

const layer = (
  name: PositionName,
  x: readonly (readonly (readonly number[])[])[],
  weights: Record<string, readonly number[]> = {},
) =>
  runLayer(softmaxAttention(), x, {
    site: { position: positions[name].inAttention(smallSizes) },
    hooks: ['attn.hook_rot_q', 'attn.hook_rot_k', 'attn.hook_pattern'],
    weights,
  });

/** Rows [T][width] of one head from a hook point whose head axes come first or last in canonical order [B, heads…, T or S, D]. */
function rowsOf(hook: HostTensor, head: number, T: number): number[][] {
  const width = hook.data.length / hook.shape.slice(0, -2).reduce((a, b) => a * b, 1) / T;
  const start = head * T * width;
  const at = (i: number) => Number(hook.data[i]!);
  return Array.from({ length: T }, (_, t) => Array.from({ length: width }, (_, d) => at(start + t * width + d)));
}

async function value(made: Within<string>, weights: Record<string, Float32Array> = {}) {
  await using runtime = nodeRuntime({ threads: 1 });
  const program = await runtime.compile(lower({ made: { value: made } }, { weights: 'inputs' }));
  const fed = program.graph.weights.map(({ input: name, weight, shape }) => [
    name,
    { type: 'float32' as const, shape, data: weights[weight]! },
  ]);
  return (await program.run(Object.fromEntries(fed))).made!;
}

describe('position encodings', () => {
  it('ALiBi has slopes 2^(−8h/H) for any number of heads', () => {
    expect(alibiSlopes(8)).toEqual([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]);
    expect(alibiSlopes(3).map((slope) => Math.log2(slope))).toEqual([-8 / 3, -16 / 3, -8]);
  });

  it('T5 has 16 buckets of single lags and 16 that widen up to a lag of 128', () => {
    const buckets = relativeBuckets(32, 128);
    expect(buckets).toEqual(Array.from({ length: 128 }, (_, lag) => t5Bucket(lag)));
    expect([0, 15, 16, 18, 19, 32, 64, 112, 113, 127].map((lag) => buckets[lag])).toEqual([
      0, 15, 16, 16, 17, 21, 26, 30, 31, 31,
    ]);
  });

  it.each([
    [{ buckets: 7 }, 'relative bias: expected buckets to be an even number of at least 2, got 7'],
    [{ maxDistance: 16 }, 'relative bias: expected maxDistance to be a whole number above half the 32 buckets, got 16'],
    [
      { buckets: 6, bidirectional: true },
      'relative bias: expected buckets of two directions to be a multiple of 4 and at least 4, got 6',
    ],
    [
      { maxDistance: 8, bidirectional: true },
      'relative bias: expected maxDistance to be a whole number above half the 16 buckets, got 8',
    ],
  ])('T5 refuses %o', (options, message) => {
    expect(() => relativeBias(smallSizes, options)).toThrow(message);
  });

  it('sinusoidal positions refuse an odd width', () => {
    expect(() => positions.sinusoidal.inStream!(iota('T', 3), { M: 5, longest: 3 })).toThrow(
      'sinusoidal positions: expected an even model width M, got 5',
    );
  });

  it.each(['none', 'alibi', 't5-relative'] as const)('%s gives the rows of plain loops', async (name) => {
    const T = 35;
    const { hooks, weights } = await layer(name, someStream(1, T));
    const table = weights.get('model.relative_attention_bias.weight');
    expect(table?.length).toBe(name === 't5-relative' ? 32 * H : undefined);
    for (let h = 0; h < H; h++) {
      const bias = (i: number, j: number) => {
        if (name === 'alibi') return alibiBias(h + 1, H, i, j);
        return table ? table[t5Bucket(i - j) * H + h]! : 0;
      };
      const q = rowsOf(hooks.get('attn.hook_rot_q')!, h, T);
      const k = rowsOf(hooks.get('attn.hook_rot_k')!, Math.floor(h / (H / G)), T);
      const found = rowsOf(hooks.get('attn.hook_pattern')!, h, T);
      expect(worst(found.flat(), causalRows(q, k, bias).flat())).toBeLessThan(1e-5);
    }
  });

  it("T5's lags from 128 on share one bucket, and its table gets the gradient of every bucket that is looked at", async () => {
    const [T, heads] = [150, { H: 1, G: 1, D: 2, M: 2 }];
    const scores = input('scores', { B: 1, G: 1, R: 1, T, S: T });
    const places = { queries: iota('T', T), keys: iota('S', T) };
    const all = { ...places, queryPositions: places.queries, keyPositions: places.keys };
    const biased = positions['t5-relative'].inAttention(heads).bias!(scores, all);
    const [table] = weightNodes([biased.node]).get('model.relative_attention_bias.weight')! as [Tensor<string>];
    const [gradient] = gradients(sum(biased, ['B', 'G', 'R', 'T', 'S']) as Tensor<never>, [table]);
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(
      lower({ biased: { value: biased }, gradient: { value: gradient! } }, { weights: 'inputs' }),
    );
    const data = Float32Array.from({ length: 32 }, (_, i) => i);
    const made = await program.run({
      scores: { type: 'float32', shape: [1, 1, 1, T, T], data: new Float32Array(T * T) },
      [program.graph.weights[0]!.input]: { type: 'float32', shape: [32, 1, 1], data },
    });
    const last = (made.biased!.data as Float32Array).subarray((T - 1) * T);
    expect([...last]).toEqual(Array.from({ length: T }, (_, j) => t5Bucket(T - 1 - j)));
    const counts = new Float32Array(32);
    // Keys after the query count as the first bucket here; under the mask they get no gradient.
    for (let i = 0; i < T; i++) for (let j = 0; j < T; j++) counts[t5Bucket(Math.max(i - j, 0))]!++;
    expect([...(made.gradient!.data as Float32Array)]).toEqual([...counts]);
  });

  it('T5 has half its buckets for keys after the query where both directions are seen: 8 of single lags each', async () => {
    const [T, heads] = [140, { H: 1, G: 1, D: 2, M: 2 }];
    const scores = input('scores', { B: 1, G: 1, R: 1, T, S: T });
    const places = { queries: iota('T', T), keys: iota('S', T) };
    const all = { ...places, queryPositions: places.queries, keyPositions: places.keys };
    const biased = relativeBias(heads, { name: 'table', bidirectional: true })(scores, all);
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(lower({ biased: { value: biased } }, { weights: 'inputs' }));
    const data = Float32Array.from({ length: 32 }, (_, i) => i);
    const made = await program.run({
      scores: { type: 'float32', shape: [1, 1, 1, T, T], data: new Float32Array(T * T) },
      [program.graph.weights[0]!.input]: { type: 'float32', shape: [32, 1, 1], data },
    });
    const bucket = (query: number, key: number) => made.biased!.data[query * T + key];
    // Lags of the key before the query, then after it.
    expect([0, 1, 7, 8, 11, 12, 15, 16, 22, 23, 64, 90, 91, 128, 139].map((lag) => bucket(139, 139 - lag))).toEqual([
      0, 1, 7, 8, 8, 9, 9, 10, 10, 11, 14, 14, 15, 15, 15,
    ]);
    expect([1, 7, 8, 11, 12, 16, 23, 64, 91, 128, 139].map((lag) => bucket(0, lag))).toEqual([
      17, 23, 24, 24, 25, 26, 27, 30, 31, 31, 31,
    ]);
  });

  it('sinusoidal positions are those of plain loops', async () => {
    const [T, width] = [70, 10];
    const made = await value(positions.sinusoidal.inStream!(iota('T', T), { M: width, longest: T }));
    expect(made.shape).toEqual([T, width]);
    expect(worst(made.data as Float32Array, sinusoids(T, width).flat())).toBeLessThan(1e-6);
  });

  it('learned positions are rows of one table', async () => {
    const table = Float32Array.from({ length: 5 * 4 }, (_, i) => i);
    const made = await value(positions.learned.inStream!(iota('T', 3), { M: 4, longest: 5 }), {
      'model.embed_positions.weight': table,
    });
    expect([...(made.data as Float32Array)]).toEqual([...table.slice(0, 12)]);
  });

  it('each is listed once under its own name, with at most one part', () => {
    expect(positionNames).toEqual(['none', 'sinusoidal', 'learned', 't5-relative', 'alibi', 'rope']);
    for (const name of positionNames) {
      const { inStream, inAttention, ...rest } = positions[name];
      expect(rest.name).toBe(name);
      const parts = Object.keys(inAttention(smallSizes)).length + (inStream ? 1 : 0);
      expect(parts).toBe(name === 'none' ? 0 : 1);
    }
  });
});

describe('a text of one token repeated', () => {
  const T = 19;
  const token = someStream(1, 1)[0]![0]!;
  const x = [Array.from({ length: T }, () => token)];

  it('gets rows 1/t without positions, and all outputs are equal', async () => {
    const { hooks, output } = await layer('none', x);
    for (let h = 0; h < H; h++)
      rowsOf(hooks.get('attn.hook_pattern')!, h, T).forEach((row, i) => {
        const flat = row.map((_, j) => (j > i ? 0 : 1 / (i + 1)));
        expect(worst(row, flat)).toBeLessThan(1e-6);
      });
    const size = Math.max(...output.map(Math.abs));
    for (let t = 1; t < T; t++)
      expect(worst(output.subarray(0, M), output.subarray(t * M, (t + 1) * M)) / size).toBeLessThan(1e-6);
  });

  it('gets rows e^{g(t − i)} / Σ e^{g(t − j)} with ALiBi and with T5, whatever the token', async () => {
    for (const name of ['alibi', 't5-relative'] as const) {
      const { hooks, weights } = await layer(name, x);
      const table = weights.get('model.relative_attention_bias.weight');
      for (let h = 0; h < H; h++) {
        const g = (lag: number) => (table ? table[t5Bucket(lag) * H + h]! : alibiBias(h + 1, H, lag, 0));
        rowsOf(hooks.get('attn.hook_pattern')!, h, T).forEach((row, t) => {
          const total = row.slice(0, t + 1).reduce((s, _, j) => s + Math.exp(g(t - j)), 0);
          const expected = row.map((_, j) => (j > t ? 0 : Math.exp(g(t - j)) / total));
          expect(worst(row, expected)).toBeLessThan(1e-5);
        });
      }
    }
  });

  it('gets no weight above e^{2ξ} / (e^{2ξ} + t − 1) with RoPE, ξ the largest score', async () => {
    // Small queries, so that the bound says something.
    const { hooks } = await layer('rope', x, {
      'q_proj.weight': someStream(1, H * D, M, 5)[0]!
        .flat()
        .map((w) => w / 20),
    });
    const length = (row: readonly number[]) => Math.hypot(...row);
    for (let h = 0; h < H; h++) {
      const q = rowsOf(hooks.get('attn.hook_rot_q')!, h, T);
      const k = rowsOf(hooks.get('attn.hook_rot_k')!, Math.floor(h / (H / G)), T);
      const bound = Math.exp((2 * length(q[0]!) * length(k[0]!)) / Math.sqrt(D));
      rowsOf(hooks.get('attn.hook_pattern')!, h, T).forEach((row, t) => {
        expect(Math.max(...row)).toBeLessThanOrEqual(bound / (bound + t) + 1e-6);
        if (t > 0) expect(Math.max(...row)).toBeGreaterThan(1 / (t + 1));
      });
    }
  });
});
