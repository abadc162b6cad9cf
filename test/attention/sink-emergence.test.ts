import { describe, expect, it } from 'vitest';
import type { Mechanism } from '../../src/attention/mechanism.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { featureKernel } from '../../src/attention/normalisers/feature-kernels.ts';
import { keyBias } from '../../src/attention/normalisers/key-bias.ts';
import { pointwise } from '../../src/attention/normalisers/pointwise.ts';
import { pNormalisedSoftmax, scaledSoftmax } from '../../src/attention/normalisers/scaled-softmax.ts';
import { normalisedSigmoid, sigmoidAttention } from '../../src/attention/normalisers/sigmoid.ts';
import { softmaxOne } from '../../src/attention/normalisers/sink-logit.ts';
import { rotary } from '../../src/attention/positions/rope-frequencies.ts';
import type { NaiveMechanism } from './naive/one-text.ts';
import * as naive from './naive/sink-emergence.ts';
import { normalisedSigmoidOf, sigmoidOf } from './naive/sink-free-softmax.ts';
import { apart, graphAndLoops, slopesAt, weightsOf } from './sink-free-support.ts';
import { runLayer, siteOf, smallSizes, someStream, worst } from './support.ts';

const { H, D } = smallSizes;
const x = someStream(2, 9);

const cases: readonly (readonly [Mechanism, (tensor: (end: string) => Float32Array) => NaiveMechanism])[] = [
  [sigmoidAttention({ bias: 0 }), () => ({ row: ({ scores }) => ({ weights: sigmoidOf(scores, 0) }) })],
  [normalisedSigmoid(), () => ({ row: ({ scores }) => ({ weights: normalisedSigmoidOf(scores) }) })],
  [
    pointwise({ kernel: 'eluPlusOne', exponent: 0 }),
    () => ({ row: ({ scores }) => ({ weights: scores.map((s) => (s > 0 ? s : Math.expm1(s)) + 1) }) }),
  ],
  [pointwise({ kernel: 'identity', exponent: 0 }), () => ({ row: ({ scores }) => ({ weights: scores }) })],
  [featureKernel({ features: 'elu', normaliser: 'sum' }), () => naive.eluKernel],
  [
    featureKernel({ features: 'mlp', normaliser: 'none' }),
    (w) => naive.mlpKernel(w('kernel_mlp1.weight'), w('kernel_mlp2.weight'), false),
  ],
  [
    featureKernel({ features: 'mlp', normaliser: 'largerOfSumAndOne' }),
    (w) => naive.mlpKernel(w('kernel_mlp1.weight'), w('kernel_mlp2.weight'), true),
  ],
  [scaledSoftmax({ total: 2 }), () => ({ row: ({ scores }) => ({ weights: naive.scaledOf(scores, 2) }) })],
  [scaledSoftmax({ total: 0.05 }), () => ({ row: ({ scores }) => ({ weights: naive.scaledOf(scores, 0.05) }) })],
  [pNormalisedSoftmax({ p: 2 }), () => ({ row: ({ scores }) => ({ weights: naive.pNormalisedOf(scores, 2) }) })],
  [pNormalisedSoftmax({ p: 0.5 }), () => ({ row: ({ scores }) => ({ weights: naive.pNormalisedOf(scores, 0.5) }) })],
];

describe('the graph is what the loops define', () => {
  it.each(cases.map(([mechanism, loops]) => [mechanism.name, mechanism, loops] as const))(
    '%s',
    async (_, mechanism, definition) => {
      for (const site of [{}, { window: 3, position: {} }]) {
        const { graph, loops } = await graphAndLoops(mechanism, definition, { site });
        expect(apart(graph.output, loops.output)).toBeLessThan(1e-5);
        expect(apart(graph.pattern, loops.pattern)).toBeLessThan(1e-5);
      }
    },
  );
});

describe('limits', () => {
  it.each([
    ['softmax whose rows sum to 1', scaledSoftmax({ total: 1 })],
    ['1-normalised softmax', pNormalisedSoftmax({ p: 1 })],
  ] as const)('%s is softmax attention', async (_, mechanism) => {
    const plain = await runLayer(softmaxAttention(), x);
    expect(mechanism.rows).toBe('one');
    expect(apart((await runLayer(mechanism, x)).output, plain.output)).toBeLessThan(1e-6);
  });

  it('a K bias of nothing is softmax with a one more in the denominator, and far below the keys it is softmax', async () => {
    const scores = [0.3, -0.2, 1.1];
    const bias = (value: number) => weightsOf(keyBias(), scores, { weights: { k_bias: [value] } });
    expect((await bias(0)).weights).toEqual((await weightsOf(softmaxOne(), scores)).weights);
    const { weights } = await weightsOf(softmaxAttention(), scores);
    expect(worst((await bias(-60)).weights, weights)).toBeLessThan(1e-6);
  });

  it('a fixed value enters times the mass of the column, and a value of norm 0 is the K bias', async () => {
    const hooks = ['attn.hook_z', 'attn.hook_sink'] as const;
    const of = (mechanism: Mechanism) => runLayer(mechanism, x, { hooks });
    const [none, zero] = [await of(keyBias()), await of(keyBias({ value: { along: 'first', norm: 0 } }))];
    expect(zero.output).toEqual(none.output);
    const fixed = await of(keyBias({ value: { along: 'first', norm: 20 } }));
    const [before, after] = [none, fixed].map((run) => run.hooks.get('attn.hook_z')!.data as Float32Array);
    const mass = fixed.hooks.get('attn.hook_sink')!.data as Float32Array;
    const expected = before!.map((one, i) => one + (i % D === 0 ? 20 * mass[i / D]! : 0));
    expect(worst(after!, expected)).toBeLessThan(1e-5);
  });
});

describe('worked examples', () => {
  it('with p = 2 the squares of a row sum to one: scores of 0 weigh ½ each among four', async () => {
    expect(
      worst((await weightsOf(pNormalisedSoftmax({ p: 2 }), [0, 0, 0, 0])).weights, [0.5, 0.5, 0.5, 0.5]),
    ).toBeLessThan(1e-6);
    const { weights } = await weightsOf(pNormalisedSoftmax({ p: 3 }), [800, 799, -900]);
    expect(weights.reduce((a, w) => a + w ** 3, 0)).toBeCloseTo(1, 5);
    expect(weights[1]! / weights[0]!).toBeCloseTo(Math.exp(-1), 5);
  });

  it('Z = max(|sum|, 1) leaves small rows alone and caps the sum of large ones at one, of either sign', async () => {
    const of = (scores: readonly number[]) =>
      weightsOf(featureKernel({ features: 'mlp', normaliser: 'largerOfSumAndOne' }), scores, {
        // φ(x) = relu(x): keys above 0 as they are.
        weights: { 'kernel_mlp1.weight': [1], 'kernel_mlp2.weight': [1] },
      });
    expect(worst((await of([0.25, 0.5, -3])).weights, [0.25, 0.5, 0])).toBeLessThan(1e-6);
    expect(worst((await of([1, 3, -3])).weights, [0.25, 0.75, 0])).toBeLessThan(1e-6);
  });

  it('the gradient of Z = max(|sum|, 1) is that of finite differences on both sides of its bend', async () => {
    const mechanism = featureKernel({ features: 'mlp', normaliser: 'largerOfSumAndOne' });
    // Sums along the text: 0.2, 0.6, 1.9, 4.1.
    const { slopes, differences } = await slopesAt(mechanism, [0.2, 0.4, 1.3, 2.2], {
      'kernel_mlp1.weight': [1],
      'kernel_mlp2.weight': [1],
    });
    expect(apart(slopes, differences)).toBeLessThan(1e-3);
  });

  it('where all tokens are the same and nothing tells places apart, every key weighs the same', async () => {
    const [token] = someStream(1, 1);
    const same = [Array.from({ length: 6 }, () => token![0]!)];
    const { hooks } = await runLayer(softmaxAttention(), same, {
      site: { position: {} },
      hooks: ['attn.hook_pattern', 'attn.hook_z'],
    });
    const rows = hooks.get('attn.hook_pattern')!.data as Float32Array;
    const expected = rows.map((_, i) => (i % 6 <= Math.floor(i / 6) % 6 ? 1 / ((Math.floor(i / 6) % 6) + 1) : 0));
    expect(worst(rows, expected)).toBeLessThan(1e-6);
    const z = hooks.get('attn.hook_z')!.data as Float32Array;
    expect(
      worst(
        z,
        z.map((_, i) => z[Math.floor(i / (6 * D)) * 6 * D + (i % D)]!),
      ),
    ).toBeLessThan(1e-5);
  });

  it('with RoPE no key of a text of equal tokens gets more than e^{2ξ} / (e^{2ξ} + t − 1), ξ = ‖q‖‖k‖/√D', async () => {
    const [token] = someStream(1, 1);
    const { hooks } = await runLayer(softmaxAttention(), [Array.from({ length: 9 }, () => token![0]!)], {
      hooks: ['attn.hook_pattern', 'attn.hook_rot_q', 'attn.hook_rot_k'],
    });
    const data = (name: 'attn.hook_pattern' | 'attn.hook_rot_q' | 'attn.hook_rot_k') => [
      ...(hooks.get(name)!.data as Float32Array),
    ];
    // Queries are [B, G, R, T, D], keys [B, G, S, D].
    const norm = (values: readonly number[], head: number) =>
      Math.hypot(...values.slice(head * 9 * D, head * 9 * D + D));
    for (let head = 0; head < H; head++) {
      const xi =
        (norm(data('attn.hook_rot_q'), head) * norm(data('attn.hook_rot_k'), Math.floor(head / 2))) / Math.sqrt(D);
      for (let t = 1; t <= 9; t++) {
        const row = data('attn.hook_pattern').slice((head * 9 + t - 1) * 9, (head * 9 + t) * 9);
        expect(Math.max(...row)).toBeLessThanOrEqual(Math.exp(2 * xi) / (Math.exp(2 * xi) + t - 1) + 1e-6);
      }
    }
  });
});

describe('what is refused', () => {
  it('a kernel of features takes no position bias', () => {
    const site = siteOf({ position: { bias: (scores) => scores } });
    expect(() => featureKernel({ features: 'elu', normaliser: 'sum' }).attention(site)).toThrow(
      'elu kernel: position.bias is given, but biases are added to exponents; use RoPE or positions in the stream',
    );
    const turned = siteOf({ position: { rotary: rotary({ kind: 'default', theta: 100, partial: 1 }, D) } });
    expect(() => featureKernel({ features: 'elu', normaliser: 'sum' }).attention(turned)).not.toThrow();
  });

  it.each([
    [() => scaledSoftmax({ total: 0 }), 'scaled softmax: total must be a number greater than 0, got 0'],
    [() => pNormalisedSoftmax({ p: -1 }), 'p-normalised softmax: p must be a number greater than 0, got -1'],
    [() => pointwise({ kernel: 'relu', exponent: Number.NaN }), 'pointwise: exponent must be a finite number, got NaN'],
  ])('%#: the error says which option and value', (make, message) => {
    expect(make).toThrow(message);
  });
});
