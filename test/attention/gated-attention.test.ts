import { describe, expect, it } from 'vitest';
import { gatedNorm, gatedPattern } from '../../src/attention/gates/gate.ts';
import { type GatedOptions, gated } from '../../src/attention/mechanisms/gated-attention.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { wholeText } from '../../src/attention/places.ts';
import type { Queries } from '../../src/attention/steps.ts';
import { createHooks } from '../../src/models/hooks.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { add, constant, input, lower, multiply, rename } from '../../src/tensor/index.ts';
import { type NaiveGate, naiveGated } from './naive/gated-attention.ts';
import { runLayer, siteOf, smallSizes, someStream, weightsFor, worst } from './support.ts';

const { H, G, D, M } = smallSizes;
const R = H / G;
const x = someStream(2, 7);
const numbers = (name: string, runOf: { weights: ReadonlyMap<string, Float32Array> }) =>
  [...runOf.weights].find(([full]) => full.includes(`.${name}`))![1];

/** Weights of a run by their short names: `q_proj`, `gate`. */
const short = (weights: ReadonlyMap<string, Float32Array>) =>
  Object.fromEntries(
    [...weights].map(([name, values]) => [name.replace(/^.*self_attn\./, '').replace('.weight', ''), values]),
  );

const pairs: [GatedOptions, NaiveGate][] = [
  ...(['element-wise', 'head-wise'] as const).flatMap((granularity): [GatedOptions, NaiveGate][] => {
    const headWise = granularity === 'head-wise';
    return [
      [
        { position: 'sdpa-output', granularity },
        { position: 'sdpa-output', headWise },
      ],
      [
        { position: 'sdpa-output', granularity, layout: 'separate' },
        { position: 'sdpa-output', headWise, layout: 'separate' },
      ],
      [
        { position: 'sdpa-output', granularity, inputIndependent: true },
        { position: 'sdpa-output', headWise, fixed: true },
      ],
      [
        { position: 'value', granularity },
        { position: 'value', headWise },
      ],
      [
        { position: 'value', granularity, inputIndependent: true },
        { position: 'value', headWise, fixed: true },
      ],
      [
        { position: 'key', granularity },
        { position: 'key', headWise },
      ],
      [
        { position: 'query', granularity },
        { position: 'query', headWise },
      ],
    ];
  }),
  [
    { position: 'sdpa-output', layout: 'query-head' },
    { position: 'sdpa-output', layout: 'query-head' },
  ],
  [
    { position: 'sdpa-output', sharing: 'shared' },
    { position: 'sdpa-output', shared: true },
  ],
  [
    { position: 'value', sharing: 'shared' },
    { position: 'value', shared: true },
  ],
  [
    { position: 'sdpa-output', activation: 'silu' },
    { position: 'sdpa-output', activation: 'silu' },
  ],
  [
    { position: 'sdpa-output', combine: 'additive' },
    { position: 'sdpa-output', additive: true, activation: 'silu' },
  ],
  [
    { position: 'sdpa-output', combine: 'additive', activation: 'identity' },
    { position: 'sdpa-output', additive: true, activation: 'identity' },
  ],
  [
    { position: 'value', combine: 'additive' },
    { position: 'value', additive: true, activation: 'silu' },
  ],
  [
    { position: 'sdpa-output', activation: 'ns-sigmoid' },
    { position: 'sdpa-output', activation: 'ns-sigmoid' },
  ],
  [
    { position: 'sdpa-output', activation: 'rms-norm-only' },
    { position: 'sdpa-output', activation: 'rms-norm-only' },
  ],
  [
    { position: 'sdpa-output', activation: 'silu-only' },
    { position: 'sdpa-output', activation: 'silu-only' },
  ],
  [{ position: 'dense-output' }, { position: 'dense-output' }],
  [
    { position: 'dense-output', inputIndependent: true },
    { position: 'dense-output', fixed: true },
  ],
  [
    { position: 'query', headNorms: {} },
    { position: 'query', normOffset: 0 },
  ],
  [
    { position: 'query', headNorms: { offset: 1 }, order: 'after-head-norms' },
    { position: 'query', normOffset: 1, afterNorms: true },
  ],
  [
    { position: 'key', headNorms: {}, granularity: 'head-wise', order: 'after-head-norms' },
    { position: 'key', normOffset: 0, headWise: true, afterNorms: true },
  ],
];

describe('the graph is what the naive loops define', () => {
  it.each(pairs.map(([options, naive]) => [JSON.stringify(options), options, naive] as const))(
    '%s',
    async (_, options, naive) => {
      const run = await runLayer(gated(options), x, { hooks: ['attn.hook_pattern', 'attn.hook_gate'] });
      const defined = x.map((text) => naiveGated(text, short(run.weights), smallSizes, naive));
      expect(
        worst(
          run.output,
          defined.flatMap(({ output }) => output.flat()),
        ),
      ).toBeLessThan(1e-5);
      const pattern = run.hooks.get('attn.hook_pattern')!.data as Float32Array;
      expect(
        worst(
          pattern,
          defined.flatMap((one) => one.pattern.flat(2)),
        ),
      ).toBeLessThan(1e-5);
      // Shown where heads are multiplied by a gate; a term that is added is no gate.
      const gate = run.hooks.get('attn.hook_gate');
      const multiplied = defined[0]!.gates !== undefined && naive.additive !== true;
      expect(gate === undefined).toBe(!multiplied);
      if (gate && multiplied)
        expect(
          worst(
            inOrder(gate),
            defined.flatMap((one) => one.gates!.flat()),
          ),
        ).toBeLessThan(1e-5);
    },
  );
});

/** A captured gate, [B, G, R, T, D] in the library's order of letters, as rows of heads for each token. */
function inOrder({ data, shape }: { readonly data: unknown; readonly shape: readonly number[] }): number[] {
  const [B, , , T] = shape as [number, number, number, number];
  const values = data as Float32Array;
  const rows: number[] = [];
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let h = 0; h < H; h++) for (let d = 0; d < D; d++) rows.push(values[((b * H + h) * T + t) * D + d]!);
  return rows;
}

/** Streams whose first channel is 1, so that a matrix may give every token the same scores. */
const flagged = x.map((text) => text.map(([, ...row]) => [1, ...row]));

/** A matrix [rows, M] that gives `score` for every token of `flagged`. */
const always = (rows: number, score: number) =>
  Float32Array.from({ length: rows * M }, (_, i) => (i % M === 0 ? score : 0));

describe('limiting cases', () => {
  const layouts = [
    [{ position: 'sdpa-output', layout: 'separate' }, H * D],
    [{ position: 'sdpa-output', layout: 'separate', granularity: 'head-wise' }, H],
    [{ position: 'sdpa-output', layout: 'separate', sharing: 'shared' }, H * D],
    [{ position: 'value' }, G * D],
    [{ position: 'dense-output' }, M],
  ] as const satisfies [GatedOptions, number][];

  it.each(layouts)('%j: scores of +40 are plain attention, scores of −40 give nothing', async (options, rows) => {
    const plain = await runLayer(softmaxAttention(), flagged);
    const open = await runLayer(gated(options), flagged, { weights: { 'gate_proj.weight': always(rows, 40) } });
    const shut = await runLayer(gated(options), flagged, { weights: { 'gate_proj.weight': always(rows, -40) } });
    expect(worst(open.output, plain.output)).toBeLessThan(1e-6);
    expect(worst(shut.output, new Float32Array(plain.output.length))).toBeLessThan(1e-15);
  });

  it('packed behind the queries of their group, scores of ±40 do the same', async () => {
    const plain = await runLayer(softmaxAttention(), flagged);
    const query = numbers('q_proj', plain);
    for (const [score, factor] of [
      [40, 1],
      [-40, 0],
    ] as const) {
      const packed = new Float32Array(2 * query.length);
      const group = R * D * M;
      for (let g = 0; g < G; g++) {
        packed.set(query.subarray(g * group, (g + 1) * group), 2 * g * group);
        packed.set(always(R * D, score), (2 * g + 1) * group);
      }
      const run = await runLayer(gated({ position: 'sdpa-output' }), flagged, { weights: { 'q_proj.weight': packed } });
      expect(
        worst(
          run.output,
          plain.output.map((value) => factor * value),
        ),
      ).toBeLessThan(1e-6);
    }
  });

  it('an ns-sigmoid at −40 is half of plain attention', async () => {
    const plain = await runLayer(softmaxAttention(), flagged);
    const options = { position: 'sdpa-output', layout: 'separate', activation: 'ns-sigmoid' } as const;
    const run = await runLayer(gated(options), flagged, { weights: { 'gate_proj.weight': always(H * D, -40) } });
    expect(
      worst(
        run.output,
        plain.output.map((value) => value / 2),
      ),
    ).toBeLessThan(1e-6);
  });
});

describe('algebra', () => {
  // Large scores of either sign: gates from near 0 to near 1.
  const strong = (rows: number, seed: number) =>
    Float32Array.from({ length: rows * M }, (_, i) => 2 * Math.sin(seed + 1.7 * i));

  it.each(['key', 'query'] as const)(
    'before head norms without ε, a head-wise gate of %s changes nothing; behind them it does',
    async (position) => {
      const rows = position === 'key' ? G : H;
      const outputs = async (order: 'before-head-norms' | 'after-head-norms', seed: number) => {
        const mechanism = gated({ position, granularity: 'head-wise', headNorms: {}, order });
        const weights = { 'gate_proj.weight': strong(rows, seed) };
        return runLayer(mechanism, x, { site: { epsilon: 0 }, weights });
      };
      const [one, other] = [await outputs('before-head-norms', 1), await outputs('before-head-norms', 2)];
      const ungated = x.flatMap((text) =>
        naiveGated(text, short(one.weights), smallSizes, { position: 'none', normOffset: 0, epsilon: 0 }).output.flat(),
      );
      expect(worst(one.output, ungated)).toBeLessThan(1e-5);
      expect(worst(other.output, one.output)).toBeLessThan(1e-5);
      expect(worst((await outputs('after-head-norms', 1)).output, ungated)).toBeGreaterThan(1e-2);
    },
  );

  it('one constant gate on all values is the same on all head outputs', async () => {
    const theta = 0.3;
    const run = (position: 'value' | 'sdpa-output') =>
      runLayer(gated({ position, granularity: 'head-wise', inputIndependent: true }), x, {
        weights: { gate: new Float32Array(position === 'value' ? G : H).fill(theta) },
      });
    const [value, output] = [await run('value'), await run('sdpa-output')];
    const plain = await runLayer(softmaxAttention(), x);
    const relative = (a: Float32Array, b: Float32Array) =>
      worst(a, b) /
      worst(
        b,
        b.map(() => 0),
      );
    expect(relative(value.output, output.output)).toBeLessThan(1e-6);
    expect(
      relative(
        output.output,
        plain.output.map((one) => one / (1 + Math.exp(-theta))),
      ),
    ).toBeLessThan(1e-6);
  });

  it('a gate on head outputs leaves the pattern of its own layer as it is, and changes that of the next', async () => {
    const on = gated({ position: 'sdpa-output', layout: 'separate' });
    const pattern = async (mechanism: ReturnType<typeof gated>, stream: number[][][]) => {
      const run = await runLayer(mechanism, stream, { hooks: ['attn.hook_pattern'] });
      const next = stream.map((text, b) =>
        text.map((row, t) => row.map((value, m) => value + run.output[(b * text.length + t) * M + m]!)),
      );
      return { pattern: run.hooks.get('attn.hook_pattern')!.data as Float32Array, next };
    };
    const [first, plain] = [await pattern(on, x), await pattern(softmaxAttention(), x)];
    expect(worst(first.pattern, plain.pattern)).toBe(0);
    const [second, other] = [await pattern(on, first.next), await pattern(softmaxAttention(), plain.next)];
    expect(worst(second.pattern, other.pattern)).toBeGreaterThan(1e-2);
  });

  it('initial values of an input-independent gate are half of plain attention', async () => {
    const plain = await runLayer(softmaxAttention(), x);
    const run = await runLayer(gated({ position: 'sdpa-output', inputIndependent: true }), x, {
      weights: { gate: new Float32Array(H * D) },
    });
    expect(
      worst(
        run.output,
        plain.output.map((value) => value / 2),
      ),
    ).toBeLessThan(1e-6);
  });

  it('norms that add one to their weight start at 0, others as the model has it', () => {
    const random = () => 1;
    const start = (offset: 0 | 1, name: string) =>
      gated({ position: 'sdpa-output', headNorms: { offset } }).initial?.(`layers.0.self_attn.${name}`, [2], random);
    expect(start(1, 'q_norm.weight')).toEqual(Float32Array.of(0, 0));
    expect(start(1, 'k_norm.weight')).toEqual(Float32Array.of(0, 0));
    expect(start(1, 'q_proj.weight')).toBeUndefined();
    expect(start(0, 'q_norm.weight')).toBeUndefined();
  });
});

describe('an edit of attn.hook_gate', () => {
  it('to 1 is plain attention, for one gate a head too', async () => {
    const mechanism = gated({ position: 'sdpa-output', granularity: 'head-wise', layout: 'separate' });
    const edit = { 'blocks.0.attn.hook_gate': (gate: Queries) => add(multiply(gate, 0), 1) };
    const [B, T] = [x.length, x[0]!.length];
    const layer = mechanism.attention(siteOf());
    const stream = input('x', { B, T, M });
    const hook = createHooks({ edit }).block(0);
    const places = wholeText(T);
    const output = layer.attend(stream, layer.keysAndValues(rename(stream, 'T', 'S'), places, hook), places, hook);
    const plain = await runLayer(softmaxAttention(), x, { watched: false });
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(
      lower({ output: { value: output, order: ['B', 'T', 'M'] } }, { weights: 'inputs' }),
    );
    const values = weightsFor([output.node]);
    const made = await program.run({
      x: { type: 'float32', shape: [B, T, M], data: Float32Array.from(x.flat(2)) },
      ...Object.fromEntries(
        program.graph.weights.map(({ input: name, weight, shape }) => [
          name,
          { type: 'float32' as const, shape, data: values.get(weight)! },
        ]),
      ),
    });
    expect(worst(made.output!.data as Float32Array, plain.output)).toBeLessThan(1e-6);
  });
});

describe('what a gated head takes and gives', () => {
  it('weights times the mean gate of a head, and the length of gate ⊙ z', async () => {
    const one = { B: 1, G: 1, R: 1 };
    const pattern = constant([1, 0, 0.25, 0.75], { ...one, T: 2, S: 2 });
    const gate = constant([0.2, 0.6, 1, 0], { B: 1, T: 2, G: 1, R: 1, D: 2 });
    const z = constant([3, 1, 5, 7], { B: 1, T: 2, G: 1, R: 1, D: 2 });
    const outputs = { taken: { value: gatedPattern(pattern, gate) }, given: { value: gatedNorm(z, gate) } };
    await using runtime = nodeRuntime({ threads: 1 });
    const made = await (await runtime.compile(lower(outputs, { weights: 'inputs' }))).run({});
    expect(worst(made.taken!.data as Float32Array, [0.4, 0, 0.125, 0.375])).toBeLessThan(1e-6);
    expect(worst(made.given!.data as Float32Array, [Math.hypot(0.6, 0.6), 5])).toBeLessThan(1e-6);
  });
});
