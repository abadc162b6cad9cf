import { describe, expect, it } from 'vitest';
import {
  latentCache,
  latentCoreFlops,
  latentParameters,
} from '../../src/attention/convolutions/compressed-convolutional-cost.ts';
import {
  type CompressedConvolutionalOptions,
  compressedConvolutionalAttention,
} from '../../src/attention/mechanisms/compressed-convolutional-attention.ts';
import { type Places, wholeText } from '../../src/attention/places.ts';
import { rotary } from '../../src/attention/positions/rope-frequencies.ts';
import { add, constant, iota } from '../../src/tensor/index.ts';
import { naiveConvolutional } from './naive/compressed-convolutional-attention.ts';
import { causalSoftmax, gatherValues, type NaiveWeights, timesMatrix } from './naive/heads.ts';
import { type LayerRun, type RunOptions, runLayer, siteOf, smallSizes, someStream, worst } from './support.ts';

const T = 9;
const { H, G, M } = smallSizes;
const x = someStream(1, T);

/** Short names of the stored tensors. */
const ends = {
  q_proj: 'q_proj.weight',
  k_proj: 'k_proj.weight',
  v_proj: 'v_proj.weight',
  current: 'v_proj_current.weight',
  delayed: 'v_proj_delayed.weight',
  depthwise: 'conv_qk_depthwise.weight',
  depthwiseBias: 'conv_qk_depthwise.bias',
  grouped: 'conv_qk_grouped.weight',
  groupedBias: 'conv_qk_grouped.bias',
  temp: 'qk_norm.temp',
  o_proj: 'o_proj.weight',
};

function named({ weights }: LayerRun): NaiveWeights {
  const found = Object.entries(ends).map(([short, end]) => [
    short,
    [...weights].find(([name]) => name.endsWith(`.${end}`))?.[1],
  ]);
  return Object.fromEntries(found.filter(([, values]) => values !== undefined));
}

const hooks = [
  'attn.hook_rot_q',
  'attn.hook_rot_k',
  'attn.v.hook_out',
  'attn.hook_pattern',
  'attn.hook_attn_scores',
] as const;
const run = (options: CompressedConvolutionalOptions = {}, given: RunOptions = {}, text = x) =>
  runLayer(compressedConvolutionalAttention(options), text, { hooks, ...given });
const read = (made: LayerRun, hook: (typeof hooks)[number]) => made.hooks.get(hook)!.data as Float32Array;

/** Filters of two taps that hand on the current token: depthwise [channels][2], grouped [heads · D][D][2]. */
const passDepthwise = (channels: number) => Array.from({ length: channels * 2 }, (_, i) => i % 2);
const passGrouped = (channels: number, D: number) =>
  Array.from({ length: channels * D * 2 }, (_, i) =>
    i % 2 === 1 && Math.floor(i / 2) % D === Math.floor(i / 2 / D) % D ? 1 : 0,
  );

describe('compressed convolutional attention is what its loops say', () => {
  const pieces = { depthwise: true, grouped: true, mean: true, valueShift: true, normalise: true };
  it.each([
    ['with all parts', {}, {}],
    ['with heads half as wide', { compression: 2 }, {}],
    ['without the mean', { mean: false }, { mean: false }],
    ['without the value shift', { valueShift: false }, { valueShift: false }],
    ['without norms', { normalise: false }, { normalise: false }],
    ['with the depthwise convolution alone', { convolutions: 'depthwise' }, { grouped: false }],
    ['with the grouped convolution alone', { convolutions: 'grouped' }, { depthwise: false }],
    ['without convolutions', { convolutions: 'none' }, { depthwise: false, grouped: false }],
  ] as const)('%s', async (_, options, less) => {
    const made = await run(options);
    const D = 8 / ('compression' in options ? options.compression : 1);
    const naive = naiveConvolutional(x[0]!, named(made), { H, G, D, M }, { ...pieces, ...less });
    expect(worst(made.output, naive.output.flat())).toBeLessThan(1e-5);
    expect(worst(read(made, 'attn.hook_pattern'), naive.pattern.flat(2))).toBeLessThan(1e-5);
  });

  it("gives what ZAYA's code gives, with its names and layouts (RoPE on half of each head)", async () => {
    const wave = (length: number, seed: number, scale: number) =>
      Array.from({ length }, (_, i) => scale * Math.sin(seed + 1.7 * i + 0.013 * i * i));
    const lengths = [
      ['qkv_proj.q_proj.weight', 96],
      ['qkv_proj.k_proj.weight', 48],
      ['v_proj_current.weight', 24],
      ['v_proj_delayed.weight', 24],
      ['conv_qk_depthwise.weight', 48],
      ['conv_qk_depthwise.bias', 24],
      ['conv_qk_grouped.weight', 192],
      ['conv_qk_grouped.bias', 24],
      ['qk_norm.temp', 2],
      ['o_proj.weight', 96],
    ] as const;
    const made = await runLayer(
      compressedConvolutionalAttention(),
      [Array.from({ length: 5 }, (_, t) => wave(30, 20, 1).slice(t * 6, t * 6 + 6))],
      {
        site: {
          sizes: { H: 4, G: 2, D: 4, M: 6 },
          position: { rotary: rotary({ kind: 'default', theta: 10_000, partial: 0.5 }, 4) },
        },
        weights: Object.fromEntries(lengths.map(([name, length], i) => [name, wave(length, i + 1, 0.6)])),
      },
    );
    const expected = [
      ...[0.921152, 0.113915, -0.306841, -2.138699, 0.380425, 0.242786],
      ...[1.224859, 0.444773, -0.025266, -2.125398, -0.016693, 0.143892],
      ...[1.187136, 0.344338, -0.055176, -0.40339, -0.036769, 0.067482],
      ...[1.520568, 0.101402, -0.053285, 0.243707, 0.086726, 0.049418],
      ...[1.348363, 0.32696, -0.290086, 0.056679, 0.012874, 0.109798],
    ];
    expect(worst(made.output, expected)).toBeLessThan(3e-6);
  });
});

describe('limits (check 1)', () => {
  const D = 8;
  const channels = (H + G) * D;
  const plain = { position: {}, sizes: { H, G: H, D, M } };

  it('silent convolutions, keys tied to queries and no value shift: softmax attention over unit queries', async () => {
    const tied = (await run({ valueShift: false }, { site: plain })).weights;
    const same = [...tied].find(([name]) => name.endsWith('q_proj.weight'))![1];
    const made = await run(
      { valueShift: false },
      {
        site: plain,
        weights: {
          'k_proj.weight': same,
          'conv_qk_grouped.weight': new Float32Array(2 * H * D * D * 2),
          'conv_qk_grouped.bias': new Float32Array(2 * H * D),
          'qk_norm.temp': new Float32Array(H).fill(1),
        },
      },
    );
    const units = timesMatrix(x[0]!, same).map((row) =>
      row.map((one, i) => {
        const head = row.slice(i - (i % D), i - (i % D) + D);
        return (one * Math.sqrt(D)) / Math.hypot(...head);
      }),
    );
    const pattern = causalSoftmax(units, units, { H, G: H, D, M });
    const z = gatherValues(pattern, timesMatrix(x[0]!, named(made).v_proj!), { H, G: H, D, M });
    expect(worst(made.output, timesMatrix(z, named(made).o_proj!).flat())).toBeLessThan(2e-6);
  });

  it('convolutions that hand on the current token are the layer without convolutions', async () => {
    const without = await run({ convolutions: 'none' });
    const passing = await run(
      {},
      {
        weights: {
          'conv_qk_depthwise.weight': passDepthwise(channels),
          'conv_qk_depthwise.bias': new Float32Array(channels),
          'conv_qk_grouped.weight': passGrouped(channels, D),
          'conv_qk_grouped.bias': new Float32Array(channels),
        },
      },
    );
    expect(worst(passing.output, without.output)).toBeLessThan(1e-6);
  });

  it('without any part and at full width it is softmax attention', async () => {
    const made = await run(
      { convolutions: 'none', mean: false, valueShift: false, normalise: false },
      { site: { position: {} } },
    );
    const w = named(made);
    const pattern = causalSoftmax(timesMatrix(x[0]!, w.q_proj!), timesMatrix(x[0]!, w.k_proj!), { H, G, D, M });
    const z = gatherValues(pattern, timesMatrix(x[0]!, w.v_proj!), { H, G, D, M });
    expect(worst(made.output, timesMatrix(z, w.o_proj!).flat())).toBeLessThan(2e-6);
  });
});

describe('what a token sees (check 2)', () => {
  const changed = x.map((text) => text.map((row, t) => (t === 4 ? row.map((value) => value + 1) : row)));

  it('the first half of the value channels changes with its token, the second half with the token before', async () => {
    const [before, after] = [read(await run(), 'attn.v.hook_out'), read(await run({}, {}, changed), 'attn.v.hook_out')];
    // Hooks leave in canonical order: [B, G, S, D]; with two heads of D = 8 the first head is the first half.
    const half = (values: Float32Array, g: number, t: number) => values.subarray((g * T + t) * 8, (g * T + t + 1) * 8);
    const moved = (g: number, t: number) => worst(half(before, g, t), half(after, g, t));
    expect([moved(0, 3), moved(0, 5), moved(1, 3), moved(1, 4), moved(1, 6)]).toEqual([0, 0, 0, 0, 0]);
    expect(Math.min(moved(0, 4), moved(1, 5))).toBeGreaterThan(0.1);
  });

  it('a query sees exactly the two tokens before it beside itself', async () => {
    const [before, after] = [read(await run(), 'attn.hook_rot_q'), read(await run({}, {}, changed), 'attn.hook_rot_q')];
    const moved = Array.from({ length: T }, (_, t) => {
      let most = 0;
      for (let h = 0; h < H; h++)
        for (let d = 0; d < 8; d++) {
          const at = (h * T + t) * 8 + d;
          most = Math.max(most, Math.abs(before[at]! - after[at]!));
        }
      return most > 0;
    });
    expect(moved).toEqual([false, false, false, false, true, true, true, false, false]);
  });

  it('a part of the queries is refused: the tokens before it are not there', async () => {
    const part = (length: number): Places => ({ ...wholeText(length), queries: add(iota('T', length), 3) });
    await expect(run({}, { places: part })).rejects.toThrow(
      'compressed convolutional attention: queries look at the tokens before them, so expected the whole text at once, got a part of its queries; run it without query chunks, or one token at a time through its decoding',
    );
  });

  it('padding on the left changes nothing, whatever it holds', async () => {
    const padded = [[...someStream(1, 3, M, 77)[0]!, ...x[0]!]];
    const real = Array.from({ length: T + 3 }, (_, i) => (i < 3 ? 0 : 1));
    const places = (length: number): Places => {
      const positions = real.map((_, i) => Math.max(0, i - 3));
      const of = <A extends 'T' | 'S'>(axis: A) => constant(positions, { [axis]: length } as never, 'int64') as never;
      return {
        ...wholeText(length),
        ...{ queryPositions: of('T'), keyPositions: of('S') },
        keyIsReal: constant(real, { B: 1, S: length }, 'bool'),
      };
    };
    const made = await run({}, { places }, padded);
    expect(worst(made.output.subarray(3 * M), (await run()).output)).toBeLessThan(2e-6);
  });
});

describe('bounded scores (check 5)', () => {
  it('no score is larger than √D · |β| of its key head', async () => {
    const beta = [0.7, -2.5];
    const scores = read(await run({}, { weights: { 'qk_norm.temp': beta } }), 'attn.hook_attn_scores');
    const most = [0, 0];
    // [B, G, R, T, S]
    scores.forEach((score, i) => {
      const g = Math.floor(i / ((H / G) * T * T));
      most[g] = Math.max(most[g]!, Math.abs(score));
    });
    most.forEach((one, g) => {
      expect(one).toBeLessThanOrEqual(Math.sqrt(8) * Math.abs(beta[g]!) * (1 + 1e-6));
      expect(one).toBeGreaterThan(0.5 * Math.sqrt(8) * Math.abs(beta[g]!));
    });
  });

  it('β = 0, its initial value, is uniform attention over the tokens so far', async () => {
    const made = await run({}, { initial: true });
    const pattern = read(made, 'attn.hook_pattern');
    const expected = Array.from({ length: H * T * T }, (_, i) => {
      const t = Math.floor(i / T) % T;
      return i % T <= t ? 1 / (t + 1) : 0;
    });
    expect(worst(pattern, expected)).toBeLessThan(1e-7);
  });

  it('keyScale is the initial β', () => {
    const initial = compressedConvolutionalAttention({ keyScale: 1 }).initial!;
    expect(initial('layers.0.self_attn.qk_norm.temp', [2], () => 5)).toEqual(Float32Array.of(1, 1));
    expect(initial('layers.0.self_attn.qkv_proj.q_proj.weight', [2, 2], () => 5)).toBeUndefined();
  });

  it("filters start as wide as Conv1d's: deviation 1/√(3 · fan in)", () => {
    const initial = compressedConvolutionalAttention().initial!;
    expect(initial('a.conv_qk_depthwise.weight', [6, 8, 2], () => 1)![0]).toBeCloseTo(1 / Math.sqrt(6), 6);
    expect(initial('a.conv_qk_grouped.weight', [6, 8, 8, 2], () => 1)![0]).toBeCloseTo(1 / Math.sqrt(48), 6);
    expect(initial('a.conv_qk_grouped.bias', [6, 8], () => 1)![0]).toBeCloseTo(1 / Math.sqrt(48), 6);
  });
});

describe('counters (check 6)', () => {
  it('parameters are those that the layer stores', async () => {
    const { weights } = await run({ compression: 2 });
    const stored = [...weights.values()].reduce((total, values) => total + values.length, 0);
    const { projections, filters, filterBiases, keyScales } = latentParameters({ H, G, D: 4, M });
    expect(projections + filters + filterBiases + keyScales).toBe(stored);
  });

  it("they are the paper's formulas in M, C1 and C2", () => {
    const [E, C1, C2, S] = [2048, 2, 8, 4096];
    const sizes = { H: 8, G: 2, D: 128, M: E };
    expect(latentParameters(sizes)).toEqual({
      projections: (2 * E ** 2) / C1 + (2 * E ** 2) / C2,
      filters: (E / C1 + E / C2) * 2 + 10 * 128 ** 2 * 2,
      filterBiases: 2 * (E / C1 + E / C2),
      keyScales: 2,
    });
    expect(latentCache(sizes, S)).toEqual({
      keysAndValues: (2 * S * E) / C2,
      tail: 2 * (E / C1 + E / C2),
      delayed: E / C2 / 2,
    });
    expect(latentCoreFlops(sizes, S)).toBe((4 * S ** 2 * E) / C1);
  });

  it('the cache is the state that decoding keeps', () => {
    const state = compressedConvolutionalAttention({ compression: 2 }).decoding!(siteOf()).state(
      wholeText(100).queries.node.size('T'),
    );
    const held = (name: string) =>
      Object.values(state[name]!).reduce<number>((n, size) => (String(size) === 'B' ? n : n * Number(`${size}`)), 1);
    const cache = latentCache({ H, G, D: 4, M }, 100);
    expect(held('k') + held('v')).toBe(cache.keysAndValues);
    expect(held('tail')).toBe(cache.tail);
    expect(held('delayed')).toBe(cache.delayed);
  });
});

describe('options out of range', () => {
  it.each([
    [{ compression: 3 }, 'compressed convolutional attention: compression must divide the head width 8, got 3'],
    [
      { compression: 8 },
      'compressed convolutional attention: compression 8 must divide the 4 pairs of components that RoPE turns',
    ],
    [
      { taps: [2, 0] as const },
      'compressed convolutional attention: taps must be whole numbers of at least 1, got 2,0',
    ],
    [{ keyScale: Number.NaN }, 'compressed convolutional attention: keyScale must be a number, got NaN'],
  ])('%o is refused', (options, message) => {
    expect(() => compressedConvolutionalAttention(options).attention(siteOf())).toThrow(message);
  });

  it('an odd number of value channels cannot be halved', () => {
    const sizes = { H: 1, G: 1, D: 3, M: 5 };
    expect(() => compressedConvolutionalAttention().attention(siteOf({ sizes, position: {} }))).toThrow(
      'compressed convolutional attention: the value shift halves the 3 value channels (1 heads of 3); expected an even number',
    );
  });
});
