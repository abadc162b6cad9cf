import { describe, expect, it } from 'vitest';
import { type GoatGridOptions, type GoatOptions, goatGrid } from '../../src/attention/mechanisms/goat.ts';
import { wholeText } from '../../src/attention/places.ts';
import { gridLayout } from '../../src/attention/positions/goat-layout.ts';
import { goatPrior } from '../../src/attention/positions/goat-prior.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { dot, expand, iota, less, lower, rename, type Tensor } from '../../src/tensor/index.ts';
import { type GridSizes, type GridWeights, goatGridLayer, gridRelative, gridSink } from './naive/goat-grid.ts';
import { type LayerRun, runLayer, siteOf, smallSizes, someStream, worst } from './support.ts';

const { H, G, M } = smallSizes;
const sizes = { ...smallSizes, D: 12 };
const grid = { rows: 3, columns: 4 };
const T = 13;
const ranks = { relative: { rank: 3 }, sink: { rank: 3 } } as const;
const naive: GridSizes = { ...sizes, ...grid, classToken: true, relative: 3, sink: 3 };
const x = someStream(1, T);

const run = (options: GoatOptions & Partial<GoatGridOptions>, more: object = {}, text = x) =>
  runLayer(goatGrid({ grid, ...options } as GoatGridOptions), text, {
    hooks: ['attn.hook_pattern'],
    site: { sizes },
    ...more,
  });
const bare = (weights: ReadonlyMap<string, Float32Array>): GridWeights =>
  Object.fromEntries([...weights].map(([name, values]) => [name.replace(/^layers\.0\.self_attn\./, ''), values]));
const patternOf = ({ hooks }: LayerRun) => hooks.get('attn.hook_pattern')!.data as Float32Array;

async function valuesOf(made: Tensor<string>, order: string[], weights: Readonly<Record<string, readonly number[]>>) {
  await using runtime = nodeRuntime({ threads: 1 });
  const program = await runtime.compile(lower({ made: { value: made, order } }, { weights: 'inputs' }));
  const fed = program.graph.weights.map(({ input, weight, shape }) => {
    const end = Object.keys(weights).find((one) => weight.endsWith(one))!;
    return [input, { type: 'float32' as const, shape, data: Float32Array.from(weights[end]!) }];
  });
  return (await program.run(Object.fromEntries(fed))).made!.data as Float32Array;
}

describe('the prior of a grid', () => {
  // Frequencies 1 (rows) and 1/2 (columns).
  const curves = { lambda_sym: [0.7, -0.2], lambda_asym: [-0.4, 0.9] };
  const prior = (classToken: boolean) =>
    goatPrior(
      (name) => name,
      { G: 1, context: 8 },
      { relative: { rank: 2, base: 2 }, layout: gridLayout({ rows: 2, columns: 3, classToken }) },
    );
  const [queries, keys] = [iota('T', 6), iota('S', 6)];

  it('of two rows and down to the next, two columns back, is α cos 1 + β sin 1 of rows plus α cos(−1) + β sin(−1) of columns', async () => {
    const between = await valuesOf(prior(false).between(queries, keys) as Tensor<string>, ['T', 'S', 'G'], curves);
    // From row 1, column 0 (token 3) to row 0, column 2 (token 2): one row, minus two columns of frequency 1/2.
    const expected = 0.7 * Math.cos(1) - 0.4 * Math.sin(1) - 0.2 * Math.cos(-1) + 0.9 * Math.sin(-1);
    expect(between[3 * 6 + 2]).toBeCloseTo(expected, 6);
  });

  it('as channels is the same as from rows and columns apart', async () => {
    for (const classToken of [true, false]) {
      const one = prior(classToken);
      const product = dot(one.queryChannels(queries), rename(one.keyChannels(iota('T', 6)), 'T', 'S'), ['D', 'G']);
      const packed = await valuesOf(product as Tensor<string>, ['T', 'S'], curves);
      const between = await valuesOf(one.between(queries, keys) as Tensor<string>, ['T', 'S', 'G'], curves);
      expect(worst(packed, between)).toBeLessThan(1e-6);
    }
  });

  it('is the same wherever two patches lie the same way, and 0 between the class token and anything', async () => {
    const one = await valuesOf(prior(true).between(queries, keys) as Tensor<string>, ['T', 'S', 'G'], curves);
    const at = (i: number, j: number) => one[i * 6 + j]!;
    expect(at(4, 1)).toBeCloseTo(at(5, 2), 6);
    expect(at(2, 1)).toBeCloseTo(at(3, 2), 6);
    expect(Math.abs(at(4, 1) - at(2, 1))).toBeGreaterThan(0.1);
    for (let t = 0; t < 6; t++) expect([at(0, t) + 0, at(t, 0) + 0]).toEqual([0, 0]);
  });

  it('has no curve of lags', () => {
    expect(() => prior(true).relative(queries)).toThrow(
      'GOAT prior: a lag says nothing on a grid; ask for K_rel between positions',
    );
  });
});

describe('GOAT over patches', () => {
  it.each([
    ['packed', ranks, naive],
    ['packed, one fused operator', ranks, naive],
    ['explicit', { ...ranks, form: 'explicit' }, naive],
    ['gated', { ...ranks, gate: 'query-norm' }, { ...naive, gate: true }],
    ['without u', { ...ranks, sink: 'none' }, { ...naive, sink: undefined }],
    ['of a single frequency', { relative: { rank: 1 }, sink: { rank: 1 } }, { ...naive, relative: 1, sink: 1 }],
    ['u alone', { relative: { rank: 0 }, sink: { rank: 2 } }, { ...naive, relative: 0, sink: 2 }],
  ] satisfies [string, GoatOptions, GridSizes][])('%s is what plain loops give', async (name, options, plain) => {
    const made = await run(options, { watched: !name.includes('fused') });
    const expected = goatGridLayer(x[0]!, bare(made.weights), plain);
    expect(worst(made.output, expected.output.flat())).toBeLessThan(2e-5);
    if (!name.includes('fused')) expect(worst(patternOf(made), expected.pattern.flat(2))).toBeLessThan(1e-5);
  });

  it('without a class token starts with a patch', async () => {
    const own = { rows: 2, columns: 5, classToken: false };
    const text = someStream(1, 10);
    const made = await run({ ...ranks, grid: own }, {}, text);
    const expected = goatGridLayer(text[0]!, bare(made.weights), { ...naive, ...own });
    expect(worst(patternOf(made), expected.pattern.flat(2))).toBeLessThan(1e-5);
    expect(worst(made.output, expected.output.flat())).toBeLessThan(2e-5);
  });

  it('from its start attends by content alone, to later patches too; from a seeded one not', async () => {
    const plain = (made: LayerRun) => {
      const none = new Float32Array(99);
      const names = ['lambda_sym', 'lambda_asym', 'sink_gain', 'sink_bump', 'key_bias.fc1.weight', 'key_bias.fc1.bias'];
      const zero = Object.fromEntries(
        [...names, 'key_bias.fc2.weight', 'key_bias.fc2.bias'].map((name) => [name, none]),
      );
      return goatGridLayer(x[0]!, { ...bare(made.weights), ...zero }, naive).pattern.flat(2);
    };
    const fresh = await run(ranks, { initial: true });
    expect(worst(patternOf(fresh), plain(fresh))).toBeLessThan(1e-6);
    expect(patternOf(fresh).every((value) => value > 0)).toBe(true);
    const frozen = await run({ ...ranks, start: 'frozen' });
    expect(worst(patternOf(frozen), plain(frozen))).toBeLessThan(1e-6);
    const seeded = await run({ ...ranks, start: 'seeded' }, { initial: true });
    expect(worst(patternOf(seeded), plain(seeded))).toBeGreaterThan(1e-4);
  });

  it('has no term that rises with j', async () => {
    const made = await run(ranks);
    expect([...made.weights.keys()].filter((name) => name.includes('recency'))).toEqual([]);
  });

  it('where nothing is to be seen in content is its prior, with the bump on the class token', async () => {
    const made = await run(ranks, { weights: { 'q_proj.weight': new Float32Array(H * sizes.D * M) } });
    const w = bare(made.weights);
    const prior = Array.from({ length: H }, (_, h) => {
      const g = Math.floor(h / (H / G));
      return Array.from({ length: T }, (_, i) => {
        const K = Array.from({ length: T }, (_, j) =>
          Math.exp(gridRelative(w, g, i, j, naive) + gridSink(w, g, j, naive)),
        );
        const total = K.reduce((a, b) => a + b, 0);
        return K.map((value) => value / total);
      });
    });
    expect(worst(patternOf(made), prior.flat(2))).toBeLessThan(1e-6);
  });

  it('leaves no use of the site’s positions, window or context', async () => {
    const [one, other] = [
      await run(ranks),
      await run(ranks, { site: { sizes, position: {}, window: 2, context: 99 } }),
    ];
    expect(worst(one.output, other.output)).toBe(0);
  });

  it('hides padding', async () => {
    const made = await run(ranks, {
      places: (length: number) => {
        const places = wholeText(length);
        return { ...places, keyIsReal: expand(less(places.keys, 10), { B: 1 }) };
      },
    });
    const pattern = patternOf(made);
    for (let i = 0; i < 10; i++) expect([...pattern.subarray(i * T + 10, i * T + T)]).toEqual([0, 0, 0]);
  });

  it('has as many frequencies as leave half of a narrow head to content', async () => {
    const made = await run({});
    expect(bare(made.weights).lambda_sym!.length).toBe(G * 2);
    expect(bare(made.weights)['key_bias.fc1.weight']!.length).toBe(4 * (2 * 8 + 2));
  });

  it('is named by its grid', () => {
    expect(goatGrid({ grid }).name).toBe('goat: 3 × 4 grid');
    expect(goatGrid({ grid: { ...grid, classToken: false }, start: 'seeded' }).name).toBe(
      'goat: 3 × 4 grid without a class token, seeded',
    );
  });

  it('refuses what is no grid, another length, and decoding', async () => {
    expect(() => goatGrid({ grid: { rows: 0, columns: 4 } })).toThrow(
      'GOAT: expected grid.rows to be a whole number of at least 1, got 0',
    );
    await expect(run(ranks, {}, someStream(1, 12))).rejects.toThrow(
      'GOAT: a 3 × 4 grid has 13 tokens, got 12; give grid the sizes of the image in patches',
    );
    expect(() => goatGrid({ grid }).decoding!(siteOf({ sizes }))).toThrow(
      'GOAT: patches of a grid see those after them, so they cannot be decoded one at a time',
    );
  });
});
