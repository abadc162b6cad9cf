import { describe, expect, it } from 'vitest';
import { scaleFunctions } from '../../src/attention/gates/affine-scale.ts';
import { type AffineScaledOptions, affineScaled } from '../../src/attention/mechanisms/affine-scaled-attention.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { wholeText } from '../../src/attention/places.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import {
  constant,
  equal,
  gradients,
  input,
  lower,
  not,
  type Output,
  rename,
  sum,
  type Tensor,
} from '../../src/tensor/index.ts';
import { clipped, type NaiveAffine, naiveAffine } from './naive/affine-scaled-attention.ts';
import { timesMatrix } from './naive/heads.ts';
import { runLayer, siteOf, smallSizes, someStream, worst } from './support.ts';

const { H, G, D, M } = smallSizes;
const x = someStream(2, 7);
const lengths = ['fixed', 'sequence', 'causal'] as const;

/** Weights of a run by their short names: `q_proj`, `alpha_ma`. */
const short = (weights: ReadonlyMap<string, Float32Array>) =>
  Object.fromEntries(
    [...weights].map(([name, values]) => [name.replace(/^.*self_attn\./, '').replace('.weight', ''), values]),
  );

/** Streams whose first channel is 1, and a matrix that gives every token and head one score there. */
const flagged = x.map((text) => text.map(([, ...row]) => [1, ...row]));
const always = (score: number) => Float32Array.from({ length: H * M }, (_, i) => (i % M === 0 ? score : 0));

const pairs: [AffineScaledOptions, NaiveAffine][] = [
  ...lengths.map((length): [AffineScaledOptions, NaiveAffine] => [{ length }, { length }]),
  [{ length: 'none' }, { length: 'none' }],
  [{ scale: 'sigmoid' }, { length: 'fixed', sigmoid: true }],
  [{ runningMean: 'layer' }, { length: 'fixed', layer: true }],
];

describe('the graph is what the naive loops define', () => {
  it.each(pairs.map(([options, naive]) => [JSON.stringify(options), options, naive] as const))(
    '%s',
    async (_, options, naive) => {
      const watched = await runLayer(affineScaled(options), x, { hooks: ['attn.hook_pattern'] });
      const fused = await runLayer(affineScaled(options), x, { watched: false });
      const defined = x.map((text) => naiveAffine(text, short(watched.weights), smallSizes, naive));
      const output = defined.flatMap((one) => one.output.flat());
      expect(worst(watched.output, output)).toBeLessThan(1e-5);
      expect(worst(fused.output, output)).toBeLessThan(1e-5);
      const pattern = watched.hooks.get('attn.hook_pattern')!.data as Float32Array;
      expect(
        worst(
          pattern,
          defined.flatMap((one) => one.pattern.flat(2)),
        ),
      ).toBeLessThan(1e-6);
    },
  );
});

describe('limiting cases', () => {
  const ones = { 'alpha_proj.weight': always(40), alpha_ma: new Float32Array(H).fill(1) };

  it.each(lengths)('α = 1 with running mean 1 is plain softmax attention, N %s', async (length) => {
    for (const watched of [true, false]) {
      const plain = await runLayer(softmaxAttention(), flagged, { watched });
      const run = await runLayer(affineScaled({ length }), flagged, { weights: ones, watched });
      expect(worst(run.output, plain.output)).toBeLessThan(1e-6);
    }
  });

  it('α = 0 is not zero, but ᾱ / N times the sum of the values so far', async () => {
    const usual = [0.3, 0.5, 0.7, 0.9];
    const weights = { 'alpha_proj.weight': always(-40), alpha_ma: usual };
    const run = await runLayer(affineScaled(), flagged, { weights, site: { context: 16 } });
    const stored = short(run.weights);
    const expected = flagged.flatMap((text) => {
      const v = timesMatrix(text, stored.v_proj!);
      const total = new Array<number>(G * D).fill(0);
      const z = v.map((row) => {
        row.forEach((value, i) => {
          total[i]! += value;
        });
        return usual.flatMap((mean, h) =>
          Array.from({ length: D }, (_, d) => (mean / 16) * total[Math.floor(h / (H / G)) * D + d]!),
        );
      });
      return timesMatrix(z, stored.o_proj!).flat();
    });
    expect(worst(run.output, expected)).toBeLessThan(2e-6);
    expect(Math.max(...run.output.map(Math.abs))).toBeGreaterThan(0.1);
  });

  it.each(lengths)('N = 2, α = 0.8, ᾱ = 0.4, softmax (0.1, 0.9) give weights (−0.12, 0.52): N %s', async (length) => {
    const sizes = { H: 1, G: 1, D: 1, M: 2 };
    const weights = {
      'q_proj.weight': [1, 0],
      'k_proj.weight': [0, Math.log(9)],
      'alpha_proj.weight': [3, 0],
      alpha_ma: [0.4],
    };
    const two = [
      [
        [1, 0],
        [1, 1],
      ],
    ];
    const site = { sizes, context: 2, position: {} };
    const { hooks } = await runLayer(affineScaled({ length }), two, { weights, site, hooks: ['attn.hook_pattern'] });
    const row = (hooks.get('attn.hook_pattern')!.data as Float32Array).slice(2);
    expect(worst(row, [-0.12, 0.52])).toBeLessThan(1e-6);
    expect(Math.abs(row[0]! + row[1]! - 0.4)).toBeLessThan(1e-6);
  });
});

describe('linear clipping', () => {
  it('is 0, 0, ½, ¾, 1, 1 at −7, −5, 0, 2.5, 5, 9; slope 0.1 inside and 0 outside', async () => {
    const given = [-7, -5, 0, 2.5, 5, 9];
    const scores = input('scores', { I: 6 });
    const scale = scaleFunctions['linear-clipping'](scores);
    const [slope] = gradients(sum(scale, 'I'), [scores]);
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(
      lower({ scale: { value: scale }, slope: { value: slope } }, { weights: 'inputs' }),
    );
    const made = await program.run({ scores: { type: 'float32', shape: [6], data: Float32Array.from(given) } });
    expect(worst(made.scale!.data as Float32Array, [0, 0, 0.5, 0.75, 1, 1])).toBeLessThan(1e-7);
    expect([...(made.slope!.data as Float32Array)]).toEqual([0, 0, 0.1, 0.1, 0, 0].map(Math.fround));
    expect(given.map(clipped)).toEqual([0, 0, 0.5, 0.75, 1, 1]);
  });
});

describe('what N is', () => {
  it('the number of keys seen: every row sums to the running mean of its head (negative control: mass is constant)', async () => {
    const usual = [0.3, 0.5, 0.7, 0.9];
    const run = await runLayer(affineScaled({ length: 'causal' }), x, {
      weights: { alpha_ma: usual },
      hooks: ['attn.hook_pattern'],
    });
    const pattern = run.hooks.get('attn.hook_pattern')!.data as Float32Array;
    const T = 7;
    for (let row = 0; row < 2 * H * T; row++) {
      const total = pattern.subarray(row * T, (row + 1) * T).reduce((a, b) => a + b, 0);
      expect(Math.abs(total - usual[Math.floor(row / T) % H]!)).toBeLessThan(1e-6);
    }
  });

  it.each([
    ['fixed', true],
    ['causal', true],
    ['none', true],
    ['sequence', false],
  ] as const)('N %s: a text cut short keeps its outputs: %s', async (length, keeps) => {
    const cut = x.map((text) => text.slice(0, 5));
    const [whole, short5] = [
      await runLayer(affineScaled({ length }), x),
      await runLayer(affineScaled({ length }), cut),
    ];
    const first = whole.output.subarray(0, 5 * M);
    const difference = worst(first, short5.output.subarray(0, 5 * M));
    if (keeps) expect(difference).toBeLessThan(2e-6);
    else expect(difference).toBeGreaterThan(1e-3);
  });

  it.each(lengths)(
    'N %s: in a window and with padding, fused is watched, and the shift falls on seen keys alone',
    async (length) => {
      const places = (T: number) => {
        const padded = not(equal(constant([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], { B: 2, S: T }), 1));
        return { ...wholeText(T), keyIsReal: padded };
      };
      const site = { window: 3 };
      const run = await runLayer(affineScaled({ length }), x, { places, site, hooks: ['attn.hook_pattern'] });
      const fused = await runLayer(affineScaled({ length }), x, { places, site, watched: false });
      expect(worst(fused.output, run.output)).toBeLessThan(1e-5);
      const pattern = run.hooks.get('attn.hook_pattern')!.data as Float32Array;
      const T = 7;
      pattern.forEach((value, i) => {
        const [b, t, s] = [Math.floor(i / (H * T * T)), Math.floor(i / T) % T, i % T];
        const seen = s === t || (s < t && t - s < 3 && !(b === 0 && s < 2));
        expect(value !== 0).toBe(seen);
      });
    },
  );
});

describe('the running mean', () => {
  /** ᾱ after some updates of a layer whose stored mean is fed back. */
  async function updates(options: AffineScaledOptions, alphaScore: number, count: number): Promise<number[]> {
    const stored = new Map<string, Tensor<string>>();
    const training = { loss: () => {}, buffer: (name: string, next: Tensor<string>) => void stored.set(name, next) };
    const layer = affineScaled(options).attention(siteOf({ training }));
    const stream = input('x', { B: 2, T: 7, M });
    const free = Object.assign((_: string, value: unknown) => value, { watched: () => true }) as never;
    const places = wholeText(7);
    layer.attend(stream, layer.keysAndValues(rename(stream, 'T', 'S'), places, free), places, free);
    expect([...stored.keys()]).toEqual(['layers.0.self_attn.alpha_ma']);
    const outputs: Record<string, Output> = { next: { value: [...stored.values()][0]! } };
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(lower(outputs, { weights: 'inputs' }));
    let now = new Float32Array(options.length !== 'none' && options.runningMean === 'layer' ? 1 : H);
    for (let t = 0; t < count; t++) {
      const values = { alpha_ma: now, 'alpha_proj.weight': always(alphaScore) };
      const weights = program.graph.weights.map(({ input: name, weight, shape }) => {
        const data = Object.entries(values).find(([end]) => weight.endsWith(end))![1];
        return [name, { type: 'float32' as const, shape, data }] as const;
      });
      const data = Float32Array.from(flagged.flat(2));
      const made = await program.run({
        x: { type: 'float32', shape: [2, 7, M], data },
        ...Object.fromEntries(weights),
      });
      now = Float32Array.from(made.next!.data as Float32Array);
    }
    return [...now];
  }

  it('from 0 with α = ½ is ½ (1 − 0.9^t) after t updates', async () => {
    for (const t of [1, 2, 20])
      expect(worst(await updates({}, 0, t), new Array<number>(H).fill(0.5 * (1 - 0.9 ** t)))).toBeLessThan(1e-6);
  });

  it('may be one number for the layer, and have another momentum', async () => {
    const run = await updates({ runningMean: 'layer', momentum: 0.5 }, 2.5, 3);
    expect(worst(run, [0.75 * (1 - 0.5 ** 3)])).toBeLessThan(1e-6);
  });

  it('has no gradient', async () => {
    const layer = affineScaled().attention(siteOf());
    const stream = input('x', { B: 2, T: 7, M });
    const free = Object.assign((_: string, value: unknown) => value, { watched: () => true }) as never;
    const places = wholeText(7);
    const output = layer.attend(stream, layer.keysAndValues(rename(stream, 'T', 'S'), places, free), places, free);
    const seen = new Set([output.node]);
    for (const node of seen) for (const one of node.inputs) seen.add(one);
    const stored = [...seen].find((node) => node.attributes.name === 'layers.0.self_attn.alpha_ma')!;
    const [gradient] = gradients(sum(output, ['B', 'T', 'M']), [stored as unknown as Tensor<'G' | 'R'>]);
    await using runtime = nodeRuntime({ threads: 1 });
    const made = await (await runtime.compile(lower({ gradient: { value: gradient } }, { weights: 'inputs' }))).run({});
    expect([...(made.gradient!.data as Float32Array)]).toEqual([0, 0, 0, 0]);
  });
});

describe('with a gate on the heads', () => {
  it('that is shut half way, outputs are half', async () => {
    const plain = await runLayer(affineScaled(), x);
    const half = await runLayer(affineScaled({ gate: { inputIndependent: true } }), x, {
      weights: { 'self_attn.gate': new Float32Array(H * D) },
    });
    expect(
      worst(
        half.output,
        plain.output.map((value) => value / 2),
      ),
    ).toBeLessThan(1e-6);
  });

  it('that is open, outputs are those without it, and the gate is shown', async () => {
    const plain = await runLayer(affineScaled(), flagged);
    const gate = { granularity: 'head-wise', layout: 'separate' } as const;
    const open = await runLayer(affineScaled({ gate }), flagged, {
      weights: { 'gate_proj.weight': always(40) },
      hooks: ['attn.hook_gate'],
    });
    expect(worst(open.output, plain.output)).toBeLessThan(1e-6);
    const shown = open.hooks.get('attn.hook_gate')!;
    expect([...shown.shape].reduce((a, b) => a * b, 1)).toBe(2 * 7 * H * D);
    expect([...(shown.data as Float32Array)].every((value) => value === 1)).toBe(true);
  });
});

describe('options that contradict each other are refused by type and by name', () => {
  const refused: [() => unknown, string][] = [
    // @ts-expect-error no such length
    [() => affineScaled({ length: 'keys' }), 'length "keys" is not one of fixed, sequence, causal, none'],
    [
      // @ts-expect-error no shift, no running mean
      () => affineScaled({ length: 'none', momentum: 0.5 }),
      'momentum 0.5 has no meaning with length none (β = 0)',
    ],
    // @ts-expect-error a slip of the keyboard
    [() => affineScaled({ lenght: 'fixed' }), 'lenght is not an option'],
    [() => affineScaled({ momentum: 1 }), 'momentum must be at least 0 and below 1, got 1'],
    [() => affineScaled({ momentum: Number.NaN }), 'momentum must be at least 0 and below 1, got NaN'],
  ];
  it.each(refused.map(([make, message]) => [message, make] as const))('%s', (message, make) => {
    expect(make).toThrow(`affine-scaled: ${message}`);
  });
});
