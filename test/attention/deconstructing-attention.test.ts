import { describe, expect, it } from 'vitest';
import type { DecodingState } from '../../src/attention/decoding.ts';
import type { AttentionTap } from '../../src/attention/layer.ts';
import { keepsAttention, type LayerPlan, planned } from '../../src/attention/layer-plans.ts';
import type { Mechanism } from '../../src/attention/mechanism.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { taylorAttention } from '../../src/attention/normalisers/taylor.ts';
import { alibi } from '../../src/attention/positions/position-bias.ts';
import { queryIndependentAttention } from '../../src/attention/query-independent.ts';
import { matchedWidth, tokenMlp } from '../../src/attention/token-mlp.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { concat, Dim, expand, input, lower, scalar, slice, type Tensor } from '../../src/tensor/index.ts';
import {
  diagonalTaylor,
  gated,
  maps,
  mixed,
  type Named,
  queryIndependentMaps,
  silu,
  taylor,
} from './naive/deconstructing-attention.ts';
import { type LayerRun, type RunOptions, runLayer, siteOf, smallSizes, someStream, worst } from './support.ts';

const { H, D, M } = smallSizes;
const T = 11;
const x = someStream(1, T);
const own = (weights: ReadonlyMap<string, Float32Array>): Named =>
  Object.fromEntries([...weights].map(([name, values]) => [name.replace(/^layers\.0\.self_attn\./, ''), values]));
const patternOf = ({ hooks }: LayerRun) => hooks.get('attn.hook_pattern')!.data as Float32Array;
const run = (mechanism: Mechanism, options: RunOptions = {}, text: Parameters<typeof runLayer>[1] = x) =>
  runLayer(mechanism, text, { hooks: ['attn.hook_pattern'], ...options });

/** One head of one channel over one-hot tokens: queries and keys as given, one number a token. */
const oneChannel = (mechanism: Mechanism, queries: readonly number[], keys: readonly number[]) => {
  const n = queries.length;
  const tokens = [queries.map((_, t) => queries.map((__, m) => (m === t ? 1 : 0)))];
  return run(
    mechanism,
    {
      site: { sizes: { H: 1, G: 1, D: 1, M: n }, position: {} },
      weights: { 'q_proj.weight': queries, 'k_proj.weight': keys },
    },
    tokens,
  );
};

/** The outputs of the decoding of a mechanism, all tokens in one program. */
async function recurrent(mechanism: Mechanism, weights: ReadonlyMap<string, Float32Array>): Promise<Float32Array> {
  const tap = ((_: string, value: unknown) => value) as unknown as AttentionTap;
  tap.watched = () => true;
  const decoding = mechanism.decoding!(siteOf());
  const stream = input('x', { B: 1, T, M });
  let state: DecodingState = Object.fromEntries(
    Object.entries(decoding.state(Dim.of(0))).map(([name, sizes]) => [
      name,
      expand(scalar(0), { ...sizes, B: 1 } as never) as Tensor<string>,
    ]),
  );
  const outputs = x[0]!.map((_, t) => {
    const past = { size: Dim.of(t), index: scalar(t, 'int64') };
    const made = decoding.step(slice(stream, 'T', t, t + 1), state, past, tap);
    state = made.state;
    return made.output;
  });
  await using runtime = nodeRuntime({ threads: 1 });
  const output = { value: concat(outputs, 'T'), order: ['B', 'T', 'M'] };
  const program = await runtime.compile(lower({ output }, { weights: 'inputs' }));
  const made = await program.run({
    x: { type: 'float32', shape: [1, T, M], data: Float32Array.from(x.flat(2)) },
    ...Object.fromEntries(
      program.graph.weights.map(({ input: name, weight, shape }) => [
        name,
        { type: 'float32' as const, shape, data: weights.get(weight)! },
      ]),
    ),
  });
  return made.output!.data as Float32Array;
}

/** Difference of two outputs beside the largest value. */
const relative = (a: Float32Array, b: ArrayLike<number>) => worst(a, b) / Math.max(...a.map(Math.abs));

describe('the second-order softmax', () => {
  it('weighs x = 0, 0.5, 1, −1 by 1, 1.625, 2.5, 0.5', async () => {
    const made = await oneChannel(taylorAttention(), [1, 1, 1, 1], [0, 0.5, 1, -1]);
    const row = patternOf(made).subarray(12);
    expect(
      worst(
        row,
        [1, 1.625, 2.5, 0.5].map((weight) => weight / 5.625),
      ),
    ).toBeLessThan(1e-6);
  });

  it('with all logits 0 is uniform causal attention, with the diagonal square too', async () => {
    const uniform = x[0]!.flatMap((_, i) => x[0]!.map((__, j) => (j > i ? 0 : 1 / (i + 1))));
    for (const diagonalSquare of [false, true]) {
      const made = await run(taylorAttention({ diagonalSquare }), {
        weights: { 'q_proj.weight': new Float32Array(H * D * M) },
      });
      for (let h = 0; h < H; h++)
        expect(worst(patternOf(made).subarray(h * T * T, (h + 1) * T * T), uniform)).toBeLessThan(1e-6);
    }
  });

  it('is softmax to 1e-6 where logits are small', async () => {
    const small = someStream(1, H * D, M, 9)[0]!
      .flat()
      .map((value) => value / 1000);
    const weights = { 'q_proj.weight': small };
    const [plain, made] = [await run(softmaxAttention(), { weights }), await run(taylorAttention(), { weights })];
    expect(worst(patternOf(made), patternOf(plain))).toBeLessThan(1e-6);
    const grown = { weights: { 'q_proj.weight': small.map((value) => value * 1000) } };
    const apart = worst(
      patternOf(await run(taylorAttention(), grown)),
      patternOf(await run(softmaxAttention(), grown)),
    );
    expect(apart).toBeGreaterThan(0.1);
  });

  it.each([false, true])('is what plain loops give, diagonal square %s', async (diagonalSquare) => {
    const made = await run(taylorAttention({ diagonalSquare }));
    const w = own(made.weights);
    const rows = maps(x[0]!, w, smallSizes, diagonalSquare ? diagonalTaylor : taylor);
    expect(worst(patternOf(made), rows.flat(2))).toBeLessThan(2e-5);
    expect(relative(made.output, mixed(x[0]!, rows, w, smallSizes).flat())).toBeLessThan(1e-5);
    // Whole squares keep weights positive, diagonal ones do not.
    expect(Math.min(...rows.flat(2)) < 0).toBe(diagonalSquare);
  });

  it('with the diagonal square is the same token by token, from two matrices a head', async () => {
    const mechanism = taylorAttention({ diagonalSquare: true });
    const made = await run(mechanism);
    expect(relative(made.output, await recurrent(mechanism, made.weights))).toBeLessThan(2e-5);
    const { state } = mechanism.decoding!(siteOf());
    expect(Object.keys(state(Dim.of(100)))).toEqual(['v', 'kv', 'kkv', 'k', 'kk']);
  });

  it('refuses a position bias', () => {
    expect(() => taylorAttention().attention(siteOf({ position: { bias: alibi(smallSizes) } }))).toThrow(
      'second-order softmax: position.bias is given, but biases are added to exponents; use RoPE or positions in the stream',
    );
  });
});

describe('query-independent attention', () => {
  const mechanism = queryIndependentAttention();

  it('with s = [0, ln 2, ln 3] has rows [1], [1/3, 2/3], [1/6, 1/3, 1/2]', async () => {
    // SiLU of this is 1.
    const one = 1.278464542761074;
    expect(silu(one)).toBeCloseTo(1, 12);
    const made = await oneChannel(mechanism, [one, one, one], [0, Math.log(2), Math.log(3)]);
    expect(worst(patternOf(made), [1, 0, 0, 1 / 3, 2 / 3, 0, 1 / 6, 1 / 3, 1 / 2])).toBeLessThan(1e-6);
  });

  it('weighs two keys in one proportion for every query; softmax attention does not', async () => {
    const spreadOf = async (one: Mechanism) => {
      const pattern = patternOf(await run(one));
      // ln of A_i0 / A_i1 over queries i ≥ 1.
      const ratios = Array.from({ length: T - 1 }, (_, i) =>
        Math.log(pattern[(i + 1) * T]! / pattern[(i + 1) * T + 1]!),
      );
      return Math.max(...ratios) - Math.min(...ratios);
    };
    expect(await spreadOf(mechanism)).toBeLessThan(1e-5);
    expect(await spreadOf(softmaxAttention())).toBeGreaterThan(1);
  });

  it('is what plain loops give, with RoPE on both sides or without', async () => {
    const made = await run(mechanism);
    const w = own(made.weights);
    const rows = queryIndependentMaps(x[0]!, w, smallSizes);
    expect(worst(patternOf(made), rows.flat(2))).toBeLessThan(1e-5);
    expect(relative(made.output, mixed(x[0]!, rows, w, smallSizes).flat())).toBeLessThan(1e-5);
    expect(worst(rows.flat(2), queryIndependentMaps(x[0]!, w, smallSizes, true).flat(2))).toBeLessThan(1e-12);
  });

  it.each([1, 30])('is the same token by token, keys times %i: logits beyond ±50 too', async (factor) => {
    const keys = someStream(1, smallSizes.G * D, M, 4)[0]!
      .flat()
      .map((value) => 0.4 * value * factor);
    const hooks = ['attn.hook_attn_scores'] as const;
    const made = await runLayer(mechanism, x, { hooks, weights: { 'k_proj.weight': keys } });
    const logits = made.hooks.get('attn.hook_attn_scores')!.data as Float32Array;
    const [low, high] = [Math.min(...logits), Math.max(...logits)];
    if (factor > 1) expect([low < -50, high > 50]).toEqual([true, true]);
    expect(relative(made.output, await recurrent(mechanism, made.weights))).toBeLessThan(1e-6);
  });

  it('refuses a position bias, and more heads in a group than channels', () => {
    expect(() => mechanism.attention(siteOf({ position: { bias: alibi(smallSizes) } }))).toThrow(
      'query-independent softmax: position.bias is given, but its scores know no query; use RoPE, which changes nothing, or positions in the stream',
    );
    expect(() => mechanism.attention(siteOf({ sizes: { H: 8, G: 1, D: 4, M: 12 } }))).toThrow(
      'query-independent softmax: 8 query heads on one key/value head need 8 channels, a head has 4',
    );
  });
});

describe('the MLP instead of attention', () => {
  it('is what plain loops give', async () => {
    const { output, weights } = await runLayer(tokenMlp(), x);
    const w = own(weights);
    const expected = gated(x[0]!, w['gate_proj.weight']!, w['up_proj.weight']!, w['down_proj.weight']!);
    expect(relative(output, expected.flat())).toBeLessThan(1e-6);
  });

  it('moves nothing between tokens', async () => {
    const changed = [x[0]!.map((row, t) => (t === 4 ? row.map((value) => value + 1) : row))];
    const [before, after] = [await runLayer(tokenMlp(), x), await runLayer(tokenMlp(), changed)];
    const differs = x[0]!.map(
      (_, t) => worst(before.output.subarray(t * M, (t + 1) * M), after.output.subarray(t * M, (t + 1) * M)) > 0,
    );
    expect(differs).toEqual(x[0]!.map((_, t) => t === 4));
  });

  it('has the parameters of attention where 3 divides, else the nearest multiple of 8, and says both counts', () => {
    const full = (d: number) => matchedWidth({ H: 8, G: 8, D: d / 8, M: d });
    expect(full(48)).toEqual({ F: 64, parameters: 4 * 48 * 48, attention: 4 * 48 * 48 });
    expect(full(768)).toEqual({ F: 1024, parameters: 4 * 768 * 768, attention: 4 * 768 * 768 });
    expect(full(64)).toEqual({ F: 88, parameters: 16_896, attention: 16_384 });
    expect(matchedWidth(smallSizes)).toEqual({ F: 32, parameters: 1152, attention: 1152 });
  });
});

describe('the replacements', () => {
  it('an MLP refuses a width of nothing', () => {
    expect(() => tokenMlp({ width: 0 })).toThrow(
      'MLP instead of attention: expected width to be a whole number of at least 1, got 0',
    );
  });

  it('hold as many parameters as softmax attention', async () => {
    const count = async (mechanism: Mechanism) =>
      [...(await runLayer(mechanism, someStream(1, 2))).weights.values()].reduce((n, { length }) => n + length, 0);
    const standard = await count(softmaxAttention());
    expect(standard).toBe(1152);
    for (const one of [
      taylorAttention(),
      taylorAttention({ diagonalSquare: true }),
      queryIndependentAttention(),
      tokenMlp(),
    ])
      expect([one.name, await count(one)]).toEqual([one.name, standard]);
  });
});

describe('layer plans', () => {
  const standard = (plan: LayerPlan, L = 24) =>
    Array.from({ length: L }, (_, i) => i + 1).filter((layer) => keepsAttention(plan, layer - 1, L));
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

  it.each([
    ['uniform', []],
    ['even', range(1, 12).map((i) => 2 * i)],
    ['odd', range(0, 11).map((i) => 2 * i + 1)],
    ['top-replaced', range(1, 12)],
    ['middle-replaced', [...range(1, 6), ...range(19, 24)]],
    ['bottom-replaced', range(13, 24)],
    ['quarter', [4, 8, 12, 16, 20, 24]],
    ['first', [1]],
    ['last', [24]],
    ['bilateral', [1, 24]],
  ] satisfies [LayerPlan, number[]][])('%s keeps attention of 24 layers, counted from 1, in %j', (plan, layers) => {
    expect(standard(plan)).toEqual(layers);
  });

  it('two layers under even are a replaced one and a standard one', () => {
    const mechanisms = planned('even', 2, { standard: softmaxAttention(), replacement: tokenMlp() });
    expect([mechanisms(0).name, mechanisms(1).name]).toEqual(['MLP instead of attention', 'softmax']);
  });
});
