import { describe, expect, it } from 'vitest';
import { type MixtureOfHeadOptions, mixtureOfHead } from '../../src/attention/mechanisms/mixture-of-head.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { usedShare } from '../../src/attention/selection/head-budget.ts';
import { chooseHeads, headLoad, loadBalance } from '../../src/attention/selection/head-choice.ts';
import { queryNormGates } from '../../src/attention/selection/head-router.ts';
import type { AttentionGiven } from '../../src/attention/steps.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { constant, gradients, iota, lower, multiply, type Output, sum, type Tensor } from '../../src/tensor/index.ts';
import type { NaiveWeights } from './naive/heads.ts';
import { naiveBalance, naiveMixtureOfHead } from './naive/mixture-of-head.ts';
import { type LayerRun, type RunOptions, runLayer, siteOf, someStream, worst } from './support.ts';

const T = 9;
/** Eight query heads on four key/value heads. */
const sizes = { H: 8, G: 4, D: 4, M: 12 };
const { H, G, D, M } = sizes;
const x = someStream(2, T, M);

const named = ({ weights }: LayerRun): NaiveWeights =>
  Object.fromEntries([...weights].map(([name, values]) => [/(\w+)\.weight$/.exec(name)![1]!, values]));
const run = (options: MixtureOfHeadOptions, given: RunOptions = {}, text = x) =>
  runLayer(mixtureOfHead(options), text, { hooks: ['attn.hook_gate'], ...given, site: { sizes, ...given.site } });

/** Gates [token][head] of the first text, from the hook's canonical order [B, G, R, T, D]. */
function gatesOf(made: LayerRun): number[][] {
  const { data } = made.hooks.get('attn.hook_gate')!;
  return Array.from({ length: T }, (_, t) => Array.from({ length: H }, (_, h) => data[(h * T + t) * D] as number));
}

async function evaluate(values: Readonly<Record<string, Tensor<string>>>): Promise<Record<string, number[]>> {
  await using runtime = nodeRuntime({ threads: 1 });
  const outputs: Record<string, Output> = {};
  for (const [name, value] of Object.entries(values)) outputs[name] = { value };
  const made = await (await runtime.compile(lower(outputs, { weights: 'inputs' }))).run({});
  return Object.fromEntries(Object.entries(made).map(([name, { data }]) => [name, [...(data as Float32Array)]]));
}

const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const zeros = (...shape: number[]) => new Float32Array(shape.reduce((a, b) => a * b, 1));

describe('mixture of heads is what its loops say: the sum over heads of gate · head · W_O (check 1)', () => {
  const four = [0, 1, 2, 3];
  it.each([
    ['half the heads shared, two of the four others', { shared: 4, active: 2 }, { shared: four, active: 2 }],
    ['one shared head, whose gate has no router', { shared: 1, active: 3 }, { shared: [0], active: 3 }],
    ['no shared head', { shared: 0, active: 6 }, { shared: [], active: 6 }],
    ['all heads shared', { shared: 8, active: 0 }, { shared: [...four, 4, 5, 6, 7], active: 0 }],
    ['shared heads named, not the first ones', { shared: [1, 6, 7], active: 2 }, { shared: [1, 6, 7], active: 2 }],
  ])('%s', async (_, budget, routing) => {
    const made = await run({ budget });
    const naive = x.flatMap((text) => naiveMixtureOfHead(text, named(made), sizes, routing).output.flat());
    expect(worst(made.output, naive)).toBeLessThan(1e-5);
  });

  it('one stage: shared and routed heads are not weighed against each other', async () => {
    const made = await run({ budget: { shared: 4, active: 2 }, twoStage: false });
    expect([...made.weights.keys()].some((name) => name.includes('wg_0'))).toBe(false);
    const routing = { shared: four, active: 2, twoStage: false };
    const naive = x.flatMap((text) => naiveMixtureOfHead(text, named(made), sizes, routing).output.flat());
    expect(worst(made.output, naive)).toBeLessThan(1e-5);
  });

  it.each([[[0, 1, 2, 3]], [[2, 5]], [[]]])('routed by query norms, heads %o shared', async (shared) => {
    const made = await run({ router: 'query-norm', budget: { shared, active: 2 } });
    expect([...made.weights.keys()].some((name) => name.includes('wg'))).toBe(false);
    const routing = { shared, active: 2, router: 'query-norm' } as const;
    const naive = x.flatMap((text) => naiveMixtureOfHead(text, named(made), sizes, routing).output.flat());
    expect(worst(made.output, naive)).toBeLessThan(1e-5);
  });
});

describe('limits (check 2)', () => {
  const silent = { 'wg.weight': zeros(4, M), 'wg_1.weight': zeros(4, M), 'wg_0.weight': zeros(2, M) };

  it('all heads shared and a router of zeros: softmax attention', async () => {
    const made = await run({ budget: { shared: H, active: 0 } }, { weights: { 'wg_1.weight': zeros(H, M) } });
    const plain = await runLayer(softmaxAttention(), x, { site: { sizes } });
    expect(worst(made.output, plain.output)).toBeLessThan(1e-6);
  });

  it('a router of zeros: softmax attention without the rows of W_O of the heads not chosen, which are the last, for ties go to the lowest index', async () => {
    const made = await run({ budget: { shared: 4, active: 2 } }, { weights: silent });
    const output = Float32Array.from(named(made).o_proj!, (value, i) => (i % (H * D) < 6 * D ? value : 0));
    const plain = await runLayer(softmaxAttention(), x, { site: { sizes }, weights: { 'o_proj.weight': output } });
    expect(worst(made.output, plain.output)).toBeLessThan(1e-6);
    expect(gatesOf(made)).toEqual(Array.from({ length: T }, () => [1, 1, 1, 1, 1, 1, 0, 0]));
  });

  it('one head in all: softmax attention', async () => {
    const one = { H: 1, G: 1, D: 12, M };
    const made = await runLayer(mixtureOfHead(), x, { site: { sizes: one } });
    const plain = await runLayer(softmaxAttention(), x, { site: { sizes: one } });
    expect(worst(made.output, plain.output)).toBe(0);
  });
});

describe('gates (check 3)', () => {
  it('every token has as many gates as heads in use; those of each stage add up to 2 α times its heads', async () => {
    const made = await run({ budget: { shared: 4, active: 2 } });
    const wg0 = named(made).wg_0!;
    gatesOf(made).forEach((gates, t) => {
      const logits = [0, 1].map((j) => total(x[0]![t]!.map((value, m) => value * wg0[j * M + m]!)));
      const first = 1 / (1 + Math.exp(logits[1]! - logits[0]!));
      expect(gates.filter((gate) => gate !== 0).length).toBe(6);
      expect(total(gates.slice(0, 4))).toBeCloseTo(2 * first * 4, 4);
      expect(total(gates.slice(4))).toBeCloseTo(2 * (1 - first) * 2, 4);
    });
  });

  it('the hook point holds the gate of each component of z', async () => {
    const made = await run({ budget: { shared: 4, active: 2 } });
    expect(made.hooks.get('attn.hook_gate')!.shape).toEqual([2, G, H / G, T, D]);
  });

  it('softmax (1/2, 1/4, 1/8, 1/8) with two heads in use gives 4/3 and 2/3 (check 4)', async () => {
    // The stream is (1, 0, 0 …), so the first column of the router is the logits.
    const text = [Array.from({ length: T }, () => Array.from({ length: M }, (_, m) => (m === 0 ? 1 : 0)))];
    const logits = [Math.log(4), Math.log(2), 0, 0];
    const wg = Float32Array.from({ length: 4 * M }, (_, i) => (i % M === 0 ? logits[i / M]! : 0));
    const weights = { 'wg.weight': wg, 'wg_0.weight': zeros(2, M), 'wg_1.weight': zeros(4, M) };
    const [gates] = gatesOf(await run({ budget: { shared: 4, active: 2 } }, { weights }, text));
    expect(worst(gates!, [1, 1, 1, 1, 4 / 3, 2 / 3, 0, 0])).toBeLessThan(1e-6);
  });
});

describe('ties', () => {
  const places = { queries: iota('T', 1), layer: 0 };
  it.each([2, 3, 5, 8, 13, 32, 64, 128])('among %d equal scores the lowest indices are chosen', async (heads) => {
    for (const count of [1, Math.ceil(heads / 2), heads - 1].filter((one) => one > 0)) {
      const scores = constant(new Array<number>(heads * 3).fill(0.5), { B: 3, T: 1, head: heads });
      const { top, bottom } = await evaluate({
        top: chooseHeads(scores, count, 'top', places) as never,
        bottom: chooseHeads(scores, count, 'bottom', places) as never,
      });
      const expected = Array.from({ length: heads * 3 }, (_, i) => (i % heads < count ? 1 : 0));
      expect(top).toEqual(expected);
      expect(bottom).toEqual(expected);
    }
  });

  it('a tie at the border: the larger ones first, then the lowest index', async () => {
    const scores = constant([1, 3, 2, 2, 2, 0], { B: 1, T: 1, head: 6 });
    const { top } = await evaluate({ top: chooseHeads(scores, 3, 'top', places) as never });
    expect(top).toEqual([0, 1, 1, 1, 0, 0]);
  });
});

describe('load balance (check 5)', () => {
  const balance = async (probability: number[], chosen: number[], E: number) => {
    const axes = { B: 1, T: probability.length / E, head: E } as const;
    const load = headLoad(constant(probability, axes), constant(chosen, axes));
    const { paper, code } = await evaluate({
      paper: loadBalance(load, 'paper') as never,
      code: loadBalance(load, 'code') as never,
    });
    return { paper: paper![0], code: code![0] };
  };

  it('all heads used alike: K in the scale of the code, K / E in that of the paper', async () => {
    const chosen = [1, 1, 0, 0, 0, 0, 1, 1];
    expect(await balance(new Array<number>(8).fill(0.25), chosen, 4)).toEqual({ paper: 0.5, code: 2 });
  });

  it('all on one head: E in the scale of the code', async () => {
    expect(await balance([0, 1, 0, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 1, 0, 0], 4)).toEqual({ paper: 1, code: 4 });
  });

  /** What a layer of index 0 of 4 adds to the loss. */
  async function termOf(options: MixtureOfHeadOptions): Promise<{ terms: number[]; made: LayerRun }> {
    const terms: Tensor<never>[] = [];
    const training = { loss: (term: Tensor<never>) => void terms.push(term), buffer: () => {} };
    const made = await run(options, { site: { layers: 4, training } });
    const values = terms.map((term) => lower({ term: { value: term } }, { weights: 'inputs' }));
    await using runtime = nodeRuntime({ threads: 1 });
    const found: number[] = [];
    for (const graph of values) {
      const program = await runtime.compile(graph);
      const feeds = program.graph.weights.map(({ input, weight, shape }) => [
        input,
        { type: 'float32' as const, shape, data: made.weights.get(weight) as Float32Array<ArrayBuffer> },
      ]);
      const stream = { type: 'float32' as const, shape: [2, T, M], data: Float32Array.from(x.flat(2)) };
      found.push((await program.run({ ...Object.fromEntries(feeds), x: stream })).term!.data[0] as number);
    }
    return { terms: found, made };
  }

  it.each(['paper', 'code'] as const)(
    'training gets β / L of it, over all tokens of the batch, in the scale of the %s',
    async (scale) => {
      const { terms, made } = await termOf({ budget: { shared: 4, active: 2 }, balance: { scale } });
      const routing = { shared: [0, 1, 2, 3], active: 2 };
      const routes = x.flatMap((text) => naiveMixtureOfHead(text, named(made), sizes, routing).routes);
      expect(terms.length).toBe(1);
      expect(terms[0]).toBeCloseTo((0.01 / 4) * naiveBalance(routes)[scale], 7);
    },
  );

  it('it is given once a layer, and not at all with weight 0 or without routed heads', async () => {
    expect((await termOf({ balance: { weight: 0 } })).terms).toEqual([]);
    expect((await termOf({ budget: { shared: H, active: 0 } })).terms).toEqual([]);
    expect((await termOf({ router: 'query-norm' })).terms.length).toBe(1);
  });
});

describe('routing by query norms (check 6)', () => {
  it('gates are exactly 0 and 1, and a gradient reaches the queries of routed heads, as through the softmax', async () => {
    const q = constant(
      Array.from({ length: 3 * H * D }, (_, i) => Math.sin(1 + 2.3 * i)),
      { B: 1, T: 3, G, R: H / G, D },
    );
    const given = {
      x: constant(zeros(3 * M) as never as number[], { B: 1, T: 3, M }),
      ...{ q, places: { queries: iota('T', 3) } },
    } as unknown as AttentionGiven;
    const budget = { shared: [0, 1, 2, 3], routed: [4, 5, 6, 7], active: 2 };
    const { gate } = queryNormGates(given, sizes, budget, { choice: 'top', layer: 0 });
    const toward = constant(
      Array.from({ length: H * 3 }, (_, i) => Math.cos(i)),
      { B: 1, T: 3, G, R: H / G },
    );
    const [slope] = gradients(sum(multiply(gate, toward), ['B', 'T', 'G', 'R']) as Tensor<never>, [q]);
    // [B, G, R, T] and [B, G, R, T, D]
    const values = await evaluate({ gate: gate as never, slope: slope as never });
    expect(values.gate!.every((one) => one === 0 || one === 1)).toBe(true);
    expect(values.gate!.slice(0, 12).every((one) => one === 1)).toBe(true);
    expect(total(values.gate!)).toBe(3 * 6);
    expect(values.slope!.slice(0, 12 * D).every((one) => one === 0)).toBe(true);
    expect(Math.max(...values.slope!.map(Math.abs))).toBeGreaterThan(0.01);
  });
});

describe('controls', () => {
  it('chosen by noise: as many heads, whatever the router says, and other ones for other tokens and layers', async () => {
    const options = { budget: { shared: 2, active: 3 }, choice: 'noise' } as const;
    const used = async (given: RunOptions, text = x) =>
      gatesOf(await run(options, given, text)).map((gates) => gates.map((gate) => gate !== 0));
    const first = await used({});
    expect(first.every((heads) => heads.filter(Boolean).length === 5)).toBe(true);
    expect(await used({}, someStream(2, T, M, 11))).toEqual(first);
    expect(await used({ site: { layer: 1 } })).not.toEqual(first);
    expect(new Set(first.map(String)).size).toBeGreaterThan(4);
  });

  it('noise uses every head about as often', async () => {
    const long = iota('T', 4000);
    const scores = constant(zeros(4000 * 6) as never as number[], { B: 1, T: 4000, head: 6 });
    const { chosen } = await evaluate({
      chosen: chooseHeads(scores, 2, 'noise', { queries: long, layer: 3 }) as never,
    });
    for (let head = 0; head < 6; head++) {
      const part = total(chosen!.filter((_, i) => i % 6 === head)) / 4000;
      expect(Math.abs(part - 1 / 3)).toBeLessThan(0.03);
    }
  });

  it('the lowest chosen: the heads that top leaves out', async () => {
    const [top, bottom] = await Promise.all(
      (['top', 'bottom'] as const).map(async (choice) =>
        gatesOf(await run({ router: 'query-norm', budget: { shared: 4, active: 2 }, choice })),
      ),
    );
    top!.forEach((gates, t) => {
      gates.slice(4).forEach((gate, i) => {
        expect(bottom![t]![4 + i]).toBe(1 - gate);
      });
    });
  });
});

describe('the budget of heads', () => {
  it('by default half the heads are shared and a quarter is used of the others', () => {
    const share = { sharedShare: 0.5, activeShare: 0.25 };
    expect([8, 12, 4, 2, 1].map((heads) => usedShare(share, heads))).toEqual([0.75, 0.75, 0.75, 1, 1]);
    expect(usedShare({ shared: 2, active: 2 }, 8)).toBe(0.5);
  });

  it('may differ from layer to layer', async () => {
    const budget = (layer: number, layers: number) => ({
      shared: layer < layers / 2 ? 8 : 4,
      active: layer < layers / 2 ? 0 : 2,
    });
    const [first, last] = [await run({ budget }), await run({ budget }, { site: { layer: 1 } })];
    expect(gatesOf(first)[0]!.filter((gate) => gate !== 0).length).toBe(8);
    expect(gatesOf(last)[0]!.filter((gate) => gate !== 0).length).toBe(6);
  });

  it.each([
    [{ shared: 9, active: 0 }, 'mixture of heads: shared must be a whole number from 0 to 8 heads, got 9'],
    [{ shared: [3, 1], active: 1 }, 'mixture of heads: shared heads must be ascending indices below 8, got [3,1]'],
    [
      { shared: 4, active: 5 },
      'mixture of heads: active must be a whole number from 1 to the 4 heads that are not shared, got 5',
    ],
    [
      { shared: 4, active: 0 },
      'mixture of heads: active must be a whole number from 1 to the 4 heads that are not shared, got 0',
    ],
    [
      { sharedShare: 0.75, activeShare: 0.5 },
      'mixture of heads: sharedShare and activeShare must be at least 0 and together at most 1, got 0.75 and 0.5',
    ],
  ])('%o is refused', (budget, message) => {
    expect(() => mixtureOfHead({ budget }).attention(siteOf({ sizes }))).toThrow(message);
  });

  it('so is a balance weight below 0', () => {
    expect(() => mixtureOfHead({ balance: { weight: -1 } })).toThrow(
      'mixture of heads: balance.weight must be a number of at least 0, got -1',
    );
  });
});
