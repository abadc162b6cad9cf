import { describe, expect, it } from 'vitest';
import { headSliceGate } from '../../src/attention/gates/head-slice-gate.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { clippedSoftmax } from '../../src/attention/normalisers/clipped-softmax.ts';
import { keyBias, valueBias } from '../../src/attention/normalisers/key-bias.ts';
import { pointwise } from '../../src/attention/normalisers/pointwise.ts';
import { normalisedSigmoid, sigmoidAttention } from '../../src/attention/normalisers/sigmoid.ts';
import { sinkLogit, softmaxOne } from '../../src/attention/normalisers/sink-logit.ts';
import { softpick } from '../../src/attention/normalisers/softpick.ts';
import { constant, iota, rename } from '../../src/tensor/index.ts';
import * as naive from './naive/sink-free-softmax.ts';
import { apart, slopesAt, weightsOf } from './sink-free-support.ts';
import { runLayer, siteOf, smallSizes, someStream, worst } from './support.ts';

const { H, G, D, M } = smallSizes;
const x = someStream(2, 9);

describe('worked examples', () => {
  it('softmax1 of (ln 2, 0) is (½, ¼), and of n zeros 1/(n + 1)', async () => {
    const run = await weightsOf(softmaxOne(), [Math.log(2), 0]);
    expect(worst(run.weights, [0.5, 0.25])).toBeLessThan(1e-6);
    expect(run.mass).toBeCloseTo(0.25, 6);
    expect(worst((await weightsOf(softmaxOne(), [0, 0, 0, 0])).weights, [0.2, 0.2, 0.2, 0.2])).toBeLessThan(1e-6);
  });

  it('a sink logit of ln 3 leaves a score of 0 a quarter', async () => {
    const run = await weightsOf(sinkLogit(), [0], { weights: { sinks: [Math.log(3)] } });
    expect(worst([...run.weights, run.mass!], [0.25, 0.75])).toBeLessThan(1e-6);
  });

  it('a sink logit leaves the tokens σ(logsumexp(s) − t) of the mass', async () => {
    const scores = [0.3, -0.2, 1.1];
    const { weights, mass } = await weightsOf(sinkLogit(), scores, { weights: { sinks: [Math.log(3)] } });
    expect(worst(weights, [0.165166, 0.100178, 0.367583])).toBeLessThan(1e-6);
    const left = weights.reduce((a, b) => a + b, 0);
    expect(left).toBeCloseTo(0.632927, 6);
    expect(1 - mass!).toBeCloseTo(0.632927, 6);
    const logsumexp = Math.log(scores.reduce((a, s) => a + Math.exp(s), 0));
    expect(left).toBeCloseTo(naive.logistic(logsumexp - Math.log(3)), 6);
  });

  it('softpick of (ln 2, 0, −ln 2) is (⅔, 0, 0), exact zeros', async () => {
    const { weights } = await weightsOf(softpick(), [Math.log(2), 0, -Math.log(2)]);
    expect(weights[0]).toBeCloseTo(2 / 3, 6);
    expect(weights.slice(1)).toEqual([0, 0]);
  });

  it('softpick keeps huge scores apart, and of zeros only makes nothing', async () => {
    const { weights } = await weightsOf(softpick(), [1000, 999, -5]);
    expect(worst(weights, [0.731059, 0.268941, 0])).toBeLessThan(1e-6);
    expect((await weightsOf(softpick(), [0, 0, 0])).weights).toEqual([0, 0, 0]);
  });

  it('sigmoid attention with bias −ln n gives n keys of score 0 about one together: 1/(n + 1) each', async () => {
    const { weights } = await weightsOf(sigmoidAttention(), [0, 0, 0], { site: { context: 3 } });
    expect(worst(weights, [0.25, 0.25, 0.25])).toBeLessThan(1e-6);
  });

  it('a temperature τ takes the scores times e^τ, before the bias', async () => {
    const { weights } = await weightsOf(sigmoidAttention({ bias: -1, temperature: Math.log(2) }), [0, 0.5, 2]);
    expect(worst(weights, [-1, 0, 3].map(naive.logistic))).toBeLessThan(1e-6);
  });

  it('ReLU attention is homogeneous: scores three times as large weigh three times as much', async () => {
    const scores = [0.7, -1.2, 2.5, 0.1];
    const [once, thrice] = await Promise.all([
      weightsOf(pointwise({ kernel: 'relu' }), scores),
      weightsOf(
        pointwise({ kernel: 'relu' }),
        scores.map((s) => 3 * s),
      ),
    ]);
    expect(worst(once.weights, [0.7 / 16, 0, 2.5 / 16, 0.1 / 16])).toBeLessThan(1e-7);
    expect(
      worst(
        thrice.weights,
        once.weights.map((w) => 3 * w),
      ),
    ).toBeLessThan(1e-6);
  });

  it('clipped softmax stretches probabilities and cuts them at 0', async () => {
    const of = (p: readonly number[], gamma: number) => weightsOf(clippedSoftmax({ gamma }), p.map(Math.log));
    expect(worst((await of([0.9, 0.1], -0.1)).weights, [0.89, 0.01])).toBeLessThan(1e-6);
    const { weights } = await of([0.95, 0.03, 0.02], -0.03);
    expect(worst(weights, [0.9485, 0.0009, 0])).toBeLessThan(1e-6);
    expect(weights[2]).toBe(0);
  });

  it('γ of clipped softmax is −α over the context of training, and ζ above 1 reaches weights of 1', async () => {
    const run = await weightsOf(clippedSoftmax({ alpha: 2 }), [0, Math.log(3)], { site: { context: 20 } });
    expect(worst(run.weights, [1.1 * 0.25 - 0.1, 1.1 * 0.75 - 0.1])).toBeLessThan(1e-6);
    const wide = await weightsOf(clippedSoftmax({ gamma: -0.1, zeta: 1.2 }), [0, 5]);
    expect(wide.weights).toEqual([0, 1]);
  });
});

describe('scores that overflow naive formulas', () => {
  const low = [-100, -100, -100];
  it.each([
    ['softmax1', softmaxOne(), [0, 0, 0]],
    ['softpick', softpick(), [0, 0, 0]],
    ['normalised sigmoid', normalisedSigmoid(), [1 / 3, 1 / 3, 1 / 3]],
    ['sigmoid', sigmoidAttention(), [0, 0, 0]],
    ['elu + 1', pointwise({ kernel: 'eluPlusOne', exponent: 0 }), [0, 0, 0]],
    ['softplus', pointwise({ kernel: 'softplus' }), [0, 0, 0]],
  ] as const)('%s: values and gradients are finite where all scores are −100', async (_, mechanism, expected) => {
    expect(worst((await weightsOf(mechanism, low)).weights, expected)).toBeLessThan(1e-6);
    for (const scores of [low, [100, 90, -100]]) {
      const { slopes } = await slopesAt(mechanism, scores);
      expect(slopes.filter((one) => !Number.isFinite(one))).toEqual([]);
    }
  });
});

describe('limits', () => {
  const plain = () => runLayer(softmaxAttention(), x, { hooks: ['attn.hook_pattern'] });
  const filled = (value: number, length: number) => new Array<number>(length).fill(value);

  it.each([
    ['a sink logit of −60', sinkLogit(), { sinks: filled(-60, H) }],
    ['clipped softmax with α = 0', clippedSoftmax({ alpha: 0 }), {}],
    ['an open gate', headSliceGate(), { 'alpha.weight': filled(0, 4 * 3), 'alpha.bias': filled(60, H) }],
    ['a fine-tuned gate without weights', headSliceGate({ fineTuning: true }), gateAtRest(0.25)],
    ['a V bias of nothing', valueBias(), { v_bias: filled(0, H * D) }],
  ] as const)('%s is softmax attention', async (_, mechanism, weights) => {
    const run = await runLayer(mechanism, x, { weights });
    expect(apart(run.output, (await plain()).output)).toBeLessThan(1e-6);
  });

  it('a sink logit of 0, a K bias of nothing and softmax1 are one', async () => {
    const one = await runLayer(softmaxOne(), x);
    const others = await Promise.all([
      runLayer(sinkLogit(), x, { weights: { sinks: filled(0, H) } }),
      runLayer(sinkLogit(), x, { initial: true, weights: projectionsOf(one) }),
      runLayer(keyBias(), x, { weights: { k_bias: filled(0, H * D) } }),
      runLayer(keyBias({ value: 'learned' }), x, { weights: { k_bias: filled(0, H * D), v_bias: filled(0, H * D) } }),
    ]);
    for (const other of others) expect(worst(other.output, one.output)).toBeLessThan(1e-6);
  });

  it('a K bias that every query scores far below the keys is softmax', async () => {
    const { mass } = await weightsOf(keyBias(), [0.5, -1, 0.2], { weights: { k_bias: [-60] } });
    expect(mass).toBeLessThan(1e-20);
  });

  it('a V bias leaves the weights as they are, and shifts what every head gives out', async () => {
    const run = await runLayer(valueBias(), x, { hooks: ['attn.hook_pattern', 'attn.hook_z'] });
    const before = await runLayer(softmaxAttention(), x, { hooks: ['attn.hook_pattern', 'attn.hook_z'] });
    const of = (one: typeof run, name: 'attn.hook_pattern' | 'attn.hook_z') =>
      one.hooks.get(name)!.data as Float32Array;
    expect(worst(of(run, 'attn.hook_pattern'), of(before, 'attn.hook_pattern'))).toBe(0);
    expect(worst(of(run, 'attn.hook_z'), of(before, 'attn.hook_z'))).toBeGreaterThan(0.1);
  });

  it('the output of a sink logit is softmax attention gated by σ(logsumexp(s) − t)', async () => {
    const hooks = ['attn.hook_z', 'attn.hook_sink'] as const;
    const gated = await runLayer(sinkLogit(), x, { hooks });
    const z = (await runLayer(softmaxAttention(), x, { hooks })).hooks.get('attn.hook_z')!;
    const sink = gated.hooks.get('attn.hook_sink')!.data as Float32Array;
    // z is [B, G, R, T, D], the sink [B, G, R, T].
    const expected = Array.from(z.data as Float32Array, (one, i) => one * (1 - sink[Math.floor(i / D)]!));
    expect(worst(gated.hooks.get('attn.hook_z')!.data as Float32Array, expected)).toBeLessThan(1e-6);
  });

  it('a window as long as the text is full attention with a sink logit, and a shorter one is not', async () => {
    const full = await runLayer(sinkLogit(), x);
    expect(worst((await runLayer(sinkLogit(), x, { site: { window: 9 } })).output, full.output)).toBe(0);
    expect(worst((await runLayer(sinkLogit(), x, { site: { window: 4 } })).output, full.output)).toBeGreaterThan(1e-3);
  });
});

describe('a null key has no position', () => {
  it('queries moved along the text by RoPE see k* as it is stored', async () => {
    const from = (start: number) => (T: number) => {
      const at = (axis: 'T' | 'S') => rename(iota('T', T), 'T', axis as 'T');
      const moved = {
        queryPositions: constant(
          Array.from({ length: T }, (_, t) => t + start),
          { T },
          'int64',
        ),
      };
      return {
        queries: at('T'),
        keys: at('S') as never,
        ...moved,
        keyPositions: rename(moved.queryPositions, 'T', 'S'),
      };
    };
    const hooks = ['attn.hook_sink', 'attn.hook_rot_q', 'attn.hook_attn_scores'] as const;
    const [here, there] = await Promise.all(
      [0, 5].map((start) => runLayer(keyBias(), x, { hooks, places: from(start) })),
    );
    const values = (run: typeof here, name: (typeof hooks)[number]) => run!.hooks.get(name)!.data as Float32Array;
    expect(worst(values(here, 'attn.hook_attn_scores'), values(there, 'attn.hook_attn_scores'))).toBeLessThan(1e-5);
    expect(worst(values(here, 'attn.hook_sink'), values(there, 'attn.hook_sink'))).toBeGreaterThan(1e-3);
  });
});

describe('initial values', () => {
  const draw = () => 1;
  it('sink logits start at 0, k* and v* with deviation 0.02, gates at logit π', () => {
    expect([...sinkLogit().initial!('layers.0.self_attn.sinks', [2, 2], draw)!]).toEqual([0, 0, 0, 0]);
    expect(keyBias().initial!('self_attn.k_bias', [3], draw)).toEqual(new Float32Array(3).fill(0.02));
    expect(keyBias().initial!('self_attn.q_proj.weight', [3], draw)).toBeUndefined();
    const gate = headSliceGate({ open: 0.1 }).initial!;
    expect(gate('self_attn.alpha.bias', [1, 2], draw)).toEqual(new Float32Array(2).fill(Math.log(1 / 9)));
    expect(gate('self_attn.alpha.weight', [1, 2], draw)).toBeUndefined();
    expect(gate('self_attn.alpha.0.bias', [1, 2], draw)).toEqual(new Float32Array(2));
    expect(headSliceGate({ fineTuning: true }).initial!('self_attn.alpha.weight', [1], draw)![0]).toBeCloseTo(0.001, 9);
  });
});

describe('what is refused', () => {
  it.each([
    [() => keyBias({ learned: 0 }), 'key bias: learned must be a whole number of at least 1, got 0'],
    [
      () => keyBias({ learned: 9 }).attention(siteOf()),
      'key bias: learned must be at most the head width D = 8, got 9',
    ],
    [
      () => keyBias({ value: { along: 'all', norm: Number.NaN } }),
      'key bias: value.norm must be a finite number, got NaN',
    ],
    [
      () => sigmoidAttention({ bias: Number.POSITIVE_INFINITY }),
      "sigmoid attention: bias must be a finite number or '-ln n', got Infinity",
    ],
    [() => clippedSoftmax({ gamma: 0.1 }), 'clipped softmax: gamma must be a number of at most 0, got 0.1'],
    [() => clippedSoftmax({ alpha: -1 }), 'clipped softmax: alpha must be a number of at least 0, got -1'],
    [() => clippedSoftmax({ zeta: 0.9 }), 'clipped softmax: zeta must be a number of at least 1, got 0.9'],
    [() => headSliceGate({ open: 1 }), 'head slice gate: open must lie between 0 and 1, got 1'],
  ])('%#: the error says which option and value', (make, message) => {
    expect(make).toThrow(message);
  });

  it('a width that heads do not divide cannot be cut into their slices', async () => {
    await expect(
      runLayer(headSliceGate(), someStream(1, 3, 10), { site: { sizes: { H, G, D, M: 10 } } }),
    ).rejects.toThrow("head slice gate: from 'slice' cuts the width M = 10 into H = 4 slices; M must be a multiple");
  });
});

function gateAtRest(open: number): Record<string, number[]> {
  const bias = Math.log(open / (1 - open));
  return { 'alpha.weight': new Array<number>(M).fill(0), 'alpha.bias': new Array<number>(H).fill(bias) };
}

/** Projections of a run, to run another mechanism with the same. */
function projectionsOf(run: { readonly weights: ReadonlyMap<string, Float32Array> }): Record<string, Float32Array> {
  return Object.fromEntries([...run.weights].filter(([name]) => /_proj\.weight$/.test(name)));
}
