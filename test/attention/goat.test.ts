import { describe, expect, it } from 'vitest';
import type { AttentionTap } from '../../src/attention/layer.ts';
import { type GoatOptions, goat } from '../../src/attention/mechanisms/goat.ts';
import { type Places, wholeText } from '../../src/attention/places.ts';
import { goatPrior } from '../../src/attention/positions/goat-prior.ts';
import type { Keys } from '../../src/attention/steps.ts';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import {
  add,
  concat,
  dot,
  input,
  iota,
  lower,
  rename,
  slice,
  type Tensor,
  type Within,
} from '../../src/tensor/index.ts';
import { type GoatSizes, type GoatWeights, goatLayer, relativePrior, sinkPrior } from './naive/goat.ts';
import { alibiBias, causalRows } from './naive/positions.ts';
import { type LayerRun, runLayer, siteOf, smallSizes, someStream, worst } from './support.ts';

const { H, G, M } = smallSizes;
const sizes = { ...smallSizes, D: 12 };
const ranks = { relative: { rank: 3 }, sink: { rank: 2 } } as const;
const naiveSizes: GoatSizes = { ...sizes, relative: 3, sink: 2, context: 16 };
const x = someStream(1, 11);
const run = (options: GoatOptions, more: Parameters<typeof runLayer>[2] = {}) =>
  runLayer(goat(options), x, { hooks: ['attn.hook_pattern'], ...more, site: { sizes, ...more.site } });

const bare = (weights: ReadonlyMap<string, Float32Array>): GoatWeights =>
  Object.fromEntries([...weights].map(([name, values]) => [name.replace(/^layers\.0\.self_attn\./, ''), values]));
const patternOf = ({ hooks }: LayerRun) => hooks.get('attn.hook_pattern')!.data as Float32Array;

/** Values of tensors under given weights, by the end of their names. */
async function valuesOf(
  made: Within<string>,
  weights: Readonly<Record<string, ArrayLike<number>>>,
  inputs: Readonly<Record<string, HostTensor>> = {},
) {
  await using runtime = nodeRuntime({ threads: 1 });
  const program = await runtime.compile(lower({ made: { value: made } }, { weights: 'inputs' }));
  const fed = program.graph.weights.map(({ input: name, weight, shape }) => {
    const end = Object.keys(weights).find((one) => weight.endsWith(one));
    return [name, { type: 'float32' as const, shape, data: Float32Array.from(weights[end!]!) }];
  });
  return (await program.run({ ...Object.fromEntries(fed), ...inputs })).made!.data as Float32Array;
}

/** Rows [T · T] of one head with one content channel, its first key `key` and the others 0, and u(j) = bump at j = 0. */
async function bumped({ T, bump, query, key }: { T: number; bump: number; query: number; key: number }) {
  const text = [Array.from({ length: T }, (_, t) => (t === 0 ? [1, 0] : [0, 1]))];
  const zero = [0, 0, 0, 0];
  const made = await runLayer(goat({ relative: { rank: 0 }, sink: { rank: 0 } }), text, {
    site: { sizes: { H: 1, G: 1, D: 2, M: 2 } },
    hooks: ['attn.hook_pattern'],
    weights: {
      'q_proj.weight': [query, query, 0, 0],
      'k_proj.weight': [key, 0, 0, 0],
      ...{ sink_bump: [bump], sink_gain: [0], recency_slope_raw: [-30] },
      'fc1.bias': zero,
    },
  });
  return Array.from(patternOf(made));
}

/** NoPE attention of every query head on its first channels, [H][T][T] in one row. */
function nopeRows(
  weights: ReadonlyMap<string, Float32Array>,
  content: number,
  bias: (h: number) => (i: number, j: number) => number = () => () => 0,
): number[] {
  const w = bare(weights);
  const project = (name: string, head: number) =>
    x[0]!.map((row) =>
      Array.from({ length: content }, (_, d) =>
        row.reduce((s, value, m) => s + value * w[name]![(head * sizes.D + d) * M + m]!, 0),
      ),
    );
  return Array.from({ length: H }, (_, h) =>
    causalRows(project('q_proj.weight', h), project('k_proj.weight', Math.floor(h / (H / G))), bias(h)),
  ).flat(2);
}

/** The outputs of x fed as two pieces, keys and values of the first kept; `contexts`: the length of training that each piece is told. */
async function inTwoPieces(
  cut: number,
  weights: ReadonlyMap<string, Float32Array>,
  contexts: readonly [number, number],
) {
  const tap = ((_: string, value: unknown) => value) as unknown as AttentionTap;
  tap.watched = () => false;
  const T = x[0]!.length;
  const pieces = ([0, cut] as const).map((start, i) => {
    const length = (i === 0 ? cut : T) - start;
    const layer = goat(ranks).attention(siteOf({ sizes, context: contexts[i]! }));
    const stream = input(`x${i}`, { B: 1, T: length, M });
    const here = add(iota('T', length), start);
    const keys = rename(here, 'T', 'S');
    const places: Places = { queries: here, keys, queryPositions: here, keyPositions: keys };
    return { layer, stream, length, start, places, kv: layer.keysAndValues(rename(stream, 'T', 'S'), places, tap) };
  });
  const [first, second] = pieces as [(typeof pieces)[0], (typeof pieces)[0]];
  const both = (name: 'k' | 'v'): Keys => concat([first.kv[name], second.kv[name]], 'S');
  const keys = iota('S', T);
  const early = first.layer.attend(first.stream, first.kv, first.places, tap);
  const places = { ...second.places, keys, keyPositions: keys };
  const late = second.layer.attend(second.stream, { k: both('k'), v: both('v') }, places, tap);
  const fed = pieces.map(({ start, length }, i) => [
    `x${i}`,
    {
      type: 'float32' as const,
      shape: [1, length, M],
      data: Float32Array.from(x[0]!.slice(start, start + length).flat()),
    },
  ]);
  return valuesOf(
    concat([early, late] as Tensor<'B' | 'T' | 'M'>[], 'T'),
    Object.fromEntries(weights),
    Object.fromEntries(fed),
  );
}

describe('the prior as channels', () => {
  it('at i = 3, j = 1 with ω = 0.5, α = 0.7, β = −0.4 is α cos 1 + β sin 1 = 0.0416232', async () => {
    // Frequencies 1 and 0.5, the first with weight zero.
    const prior = goatPrior((name) => name, { G: 1, context: 8 }, { relative: { rank: 2, base: 2 } });
    const product = dot(prior.queryChannels(iota('T', 4)), rename(prior.keyChannels(iota('T', 4)), 'T', 'S'), [
      'D',
      'G',
    ]);
    const weights = { lambda_sym: [0, 0.7], lambda_asym: [0, -0.4] };
    const [lane] = await valuesOf(slice(slice(product, 'T', 3, 4), 'S', 1, 2), weights);
    expect(lane).toBeCloseTo(0.0416232, 6);
    expect(lane).toBeCloseTo(0.7 * Math.cos(1) - 0.4 * Math.sin(1), 6);
    const curve = await valuesOf(prior.relative(iota('T', 4)), weights);
    expect(curve[2]).toBeCloseTo(0.0416232, 6);
  });

  it('has the curves of plain loops, far beyond the length of training too', async () => {
    const prior = goatPrior((name) => name, { G, context: 16 }, ranks);
    const { weights } = await run(ranks);
    const w = bare(weights);
    const n = 40;
    const [near, key] = [await valuesOf(prior.relative(iota('T', n)), w), await valuesOf(prior.sink(iota('T', n)), w)];
    for (let g = 0; g < G; g++)
      for (let t = 0; t < n; t++) {
        expect(near[g * n + t]).toBeCloseTo(relativePrior(w, g, t, 3), 5);
        expect(key[g * n + t]).toBeCloseTo(sinkPrior(w, g, t, 2, 16), 4);
      }
  });
});

describe('GOAT attention', () => {
  it.each([
    ['packed', ranks, naiveSizes],
    ['packed, one fused operator', ranks, naiveSizes],
    ['explicit', { ...ranks, form: 'explicit' }, naiveSizes],
    ['gated', { ...ranks, gate: 'query-norm' }, { ...naiveSizes, gate: true }],
    ['gated, explicit', { ...ranks, gate: 'query-norm', form: 'explicit' }, { ...naiveSizes, gate: true }],
    ['without u', { ...ranks, sink: 'none' }, { ...naiveSizes, sink: undefined }],
    ['u alone', { ...ranks, relative: { rank: 0 } }, { ...naiveSizes, relative: 0 }],
  ] satisfies [string, GoatOptions, GoatSizes][])('%s is what plain loops give', async (name, options, naive) => {
    const made = await run(options, { watched: !name.includes('fused') });
    const expected = goatLayer(x[0]!, bare(made.weights), naive);
    expect(worst(made.output, expected.output.flat())).toBeLessThan(2e-5);
    if (!name.includes('fused')) expect(worst(patternOf(made), expected.pattern.flat(2))).toBeLessThan(1e-5);
  });

  it('packed and unwatched is one fused operator with the 1/√D of any softmax attention; explicit is none', () => {
    const fusedScales = (options: GoatOptions) => {
      const layer = goat(options).attention(siteOf({ sizes }));
      const tap = ((_: string, value: unknown) => value) as unknown as AttentionTap;
      tap.watched = () => false;
      const stream = input('x', { B: 1, T: 3, M });
      const places = wholeText(3);
      const output = layer.attend(stream, layer.keysAndValues(rename(stream, 'T', 'S'), places, tap), places, tap);
      const seen = new Set([output.node]);
      for (const node of seen) for (const one of node.inputs) seen.add(one);
      const fused = [...seen].filter(({ operator }) => operator.name === 'fusedAttention');
      return fused.map(({ attributes }) => attributes.scale);
    };
    expect(fusedScales(ranks)).toEqual([12 ** -0.5]);
    expect(fusedScales({ ...ranks, form: 'explicit' })).toEqual([]);
  });

  it('packed and explicit have the same pattern to 1e-6', async () => {
    const [packed, explicit] = [await run(ranks), await run({ ...ranks, form: 'explicit' })];
    expect([...explicit.weights.keys()].sort()).toEqual([...packed.weights.keys()].sort());
    expect(worst(patternOf(packed), patternOf(explicit))).toBeLessThan(1e-6);
  });

  it.each([1, 4, 10])('with the cache cut after %i tokens gives what the whole text gives', async (cut) => {
    const whole = await run(ranks, { watched: false });
    const pieces = await inTwoPieces(cut, whole.weights, [16, 16]);
    expect(worst(pieces, whole.output)).toBeLessThan(1e-5);
  });

  it('with D taken from the keys at hand, as the length of training must not be, differs after a cut', async () => {
    const whole = await run(ranks, { watched: false, site: { context: 10 } });
    // The second piece sees D = 16 where the first saw 10.
    const pieces = await inTwoPieces(4, whole.weights, [10, 16]);
    expect(worst(pieces, whole.output)).toBeGreaterThan(1e-3);
  });

  it.each([0, 3])('of rank %i from a uniform start is NoPE attention on the content channels', async (rank) => {
    const fresh = await run({ relative: { rank }, sink: { rank: 2 }, start: 'uniform' }, { initial: true });
    expect(worst(patternOf(fresh), nopeRows(fresh.weights, sizes.D - 2 * rank - 1))).toBeLessThan(1e-6);
    const seeded = await run({ relative: { rank }, sink: { rank: 2 } }, { initial: true });
    expect(worst(patternOf(seeded), nopeRows(seeded.weights, sizes.D - 2 * rank - 1))).toBeGreaterThan(1e-3);
  });

  it('frozen is NoPE attention on the content channels for good: it has no prior to train', async () => {
    const content = sizes.D - 7;
    const frozen = await run({ ...ranks, start: 'frozen' });
    expect(worst(patternOf(frozen), nopeRows(frozen.weights, content))).toBeLessThan(1e-6);
    expect([...frozen.weights.keys()].map((name) => name.split('.').at(-2)).sort()).toEqual([
      'k_proj',
      'o_proj',
      'q_proj',
      'v_proj',
    ]);
  });

  it('bends a prior of [1/4, 3/4] by scores of [ln 3, 0] to [1/2, 1/2], and is the prior where scores say nothing', async () => {
    const pattern = (query: number) => bumped({ T: 2, bump: -Math.log(3), query, key: Math.log(3) });
    expect(worst((await pattern(1)).slice(2), [0.5, 0.5])).toBeLessThan(1e-6);
    expect(worst((await pattern(0)).slice(2), [0.25, 0.75])).toBeLessThan(1e-6);
  });

  it('without a signal leaves 1/2 beside a prior margin of ln 9 among 10 keys', async () => {
    const row = (await bumped({ T: 10, bump: Math.log(9), query: 0, key: 0 })).slice(90);
    expect(1 - row[0]!).toBeCloseTo(0.5, 6);
    expect(9 / (Math.exp(Math.log(9)) + 9)).toBe(0.5);
  });

  it('stays within e^{±ω} of its prior, ω the range of the content scores of the row', async () => {
    const hooks = ['attn.hook_pattern', 'attn.hook_attn_scores'] as const;
    const made = await run({ ...ranks, form: 'explicit' }, { hooks });
    const [w, content, pattern] = [
      bare(made.weights),
      made.hooks.get('attn.hook_attn_scores')!.data as Float32Array,
      patternOf(made),
    ];
    const T = x[0]!.length;
    let tightest = Number.POSITIVE_INFINITY;
    for (let h = 0; h < H; h++)
      for (let i = 0; i < T; i++) {
        const start = (h * T + i) * T;
        const seen = content.subarray(start, start + i + 1);
        const range = Math.max(...seen) - Math.min(...seen);
        const g = Math.floor(h / (H / G));
        const prior = Array.from(seen, (_, j) => Math.exp(relativePrior(w, g, i - j, 3) + sinkPrior(w, g, j, 2, 16)));
        const total = prior.reduce((a, b) => a + b, 0);
        prior.forEach((value, j) => {
          const bend = Math.abs(Math.log(pattern[start + j]! / (value / total)));
          expect(bend).toBeLessThan(range + 1e-4);
          if (i > 0) tightest = Math.min(tightest, range - bend);
        });
      }
    // The bound is not met by far: some weight comes near it.
    expect(tightest).toBeLessThan(0.5);
  });

  it('a slope in j is ALiBi, and nothing that depends on the query alone matters', async () => {
    const options: GoatOptions = { relative: { rank: 0 }, sink: { rank: 2 } };
    const slopes = goat().initial!('self_attn.recency_slope_raw', [G], () => 0)!;
    const made = await run(options, {
      weights: { recency_slope_raw: slopes, sink_bump: new Array(G).fill(0), sink_gain: new Array(G).fill(0) },
    });
    const bias = (h: number) => (i: number, j: number) =>
      alibiBias(Math.floor(h / (H / G)) + 1, G, i, j) + 5 * Math.sin(i);
    expect(worst(patternOf(made), nopeRows(made.weights, sizes.D - 1, bias))).toBeLessThan(2e-6);
  });

  it('does not use the rotary positions of its site', async () => {
    const [turned, plain] = [await run(ranks), await run(ranks, { site: { position: {} } })];
    expect(worst(turned.output, plain.output)).toBe(0);
  });

  it('starts as the card says', () => {
    const draws = [1, -2, 3, -4, 5, -6];
    const value = (start: 'seeded' | 'uniform', name: string, shape: number[]) => {
      let i = 0;
      const made = goat({ start }).initial!(`model.layers.3.self_attn.${name}`, shape, () => draws[i++]!);
      return made && [...made].map((one) => Number(one.toPrecision(6)));
    };
    expect(value('seeded', 'lambda_sym', [2, 3])).toEqual([0.01, -0.02, 0.03, -0.04, 0.05, -0.06]);
    expect(value('uniform', 'lambda_sym', [2, 3])).toEqual([0, 0, 0, 0, 0, 0]);
    expect(value('seeded', 'lambda_asym', [1, 2])).toEqual([0, 0]);
    expect(value('seeded', 'key_bias.fc2.weight', [1, 4])).toEqual([0.001, -0.002, 0.003, -0.004]);
    expect(value('uniform', 'key_bias.fc2.weight', [1, 4])).toEqual([0, 0, 0, 0]);
    expect(value('uniform', 'key_bias.fc1.weight', [1, 2])).toEqual([0.001, -0.002]);
    expect(value('seeded', 'sink_gain', [2])).toEqual([1, 1]);
    expect(value('seeded', 'sink_bump', [2])).toEqual([0, 0]);
    expect(value('uniform', 'recency_slope_raw', [2])).toEqual([-30, -30]);
    const slopes = value('seeded', 'recency_slope_raw', [2])!.map((raw) => Math.log1p(Math.exp(raw)));
    expect(slopes[0]).toBeCloseTo(2 ** -4, 6);
    expect(slopes[1]).toBeCloseTo(2 ** -8, 6);
    expect(value('seeded', 'prior_gate_scale_raw', [2])).toEqual([-10, -10]);
    expect(value('seeded', 'prior_gate_bias', [2])).toEqual([10, 10]);
    expect(value('seeded', 'q_proj.weight', [2, 2])).toBeUndefined();
  });

  it('with the gate as it starts is the attention without a gate', async () => {
    const gates = { prior_gate_scale_raw: new Array(H).fill(-10), prior_gate_bias: new Array(H).fill(10) };
    const [gated, plain] = [await run({ ...ranks, gate: 'query-norm' }, { weights: gates }), await run(ranks)];
    expect(worst(patternOf(gated), patternOf(plain))).toBeLessThan(2e-4);
  });

  it.each([
    [
      { relative: { rank: 6 } },
      'GOAT: relative.rank 6 with the sink part takes 13 channels, a head has 12; at least one must be left to content',
    ],
    [
      { relative: { rank: 6 }, sink: 'none' },
      'GOAT: relative.rank 6 takes 12 channels, a head has 12; at least one must be left to content',
    ],
    [{ relative: { rank: 1.5 } }, 'GOAT: expected relative.rank to be a whole number of at least 0, got 1.5'],
    [{ relative: { rank: 3, base: 0 } }, 'GOAT: expected relative.base to be a positive number, got 0'],
    [{ sink: { scale: Number.NaN } }, 'GOAT: expected sink.scale to be a finite number, got NaN'],
    [{ sink: { rank: -1 } }, 'GOAT: expected sink.rank to be a whole number of at least 0, got -1'],
  ] satisfies [GoatOptions, string][])('refuses %o', async (options, message) => {
    await expect(run(options)).rejects.toThrow(message);
  });
});
