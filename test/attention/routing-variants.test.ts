import { describe, expect, it } from 'vitest';
import { type RoutingOptions, routingTransformer } from '../../src/attention/mechanisms/routing-transformer.ts';
import { wholeText } from '../../src/attention/places.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { add, input, lower, multiply, rename, type Tensor } from '../../src/tensor/index.ts';
import { naiveRoutingHead } from './naive/routing-variants.ts';
import { type LayerRun, runLayer, siteOf, someStream, weightsFor, worst } from './support.ts';

const T = 11;
const x = someStream(2, T);
const [H, D] = [4, 8];
const hooks = [
  'attn.hook_pattern',
  'attn.hook_rot_q',
  'attn.hook_rot_k',
  'attn.v.hook_out',
  'attn.hook_z',
  'attn.hook_attn_scores',
] as const;

/** Rows [T][width] of a head at a hook point. */
const rowsOf = (run: LayerRun, hook: (typeof hooks)[number], b: number, h: number, width = D) =>
  Array.from({ length: T }, (_, t) => {
    const from = ((b * H + h) * T + t) * width;
    return [...(run.hooks.get(hook)!.data as Float32Array).subarray(from, from + width)];
  });
const named = (run: LayerRun, end: string) => [...run.weights].find(([name]) => name.endsWith(end))![1];
const tableOf = (values: ArrayLike<number>, width: number) =>
  Array.from({ length: values.length / width }, (_, i) => Array.from(values).slice(i * width, (i + 1) * width));
const run = (options: RoutingOptions, more: Parameters<typeof runLayer>[2] = {}) =>
  runLayer(routingTransformer(options), x, { site: { position: {} }, hooks, ...more });

function expected(made: LayerRun, options: RoutingOptions, b: number, h: number) {
  const { clusters, size, relative } = options;
  const own = tableOf(named(made, 'centroids'), D).slice((h - 2) * clusters!, (h - 1) * clusters!);
  return naiveRoutingHead({
    queries: rowsOf(made, 'attn.hook_rot_q', b, h),
    keys: rowsOf(made, 'attn.hook_rot_k', b, h),
    values: rowsOf(made, 'attn.v.hook_out', b, h),
    ...{ centroids: own, count: size!, epsilon: options.epsilon ?? 1e-2 },
    ...{ past: options.route === 'past', lastResort: options.self === 'last-resort' },
    ...(relative === undefined
      ? {}
      : {
          relative: {
            reach: relative,
            keys: tableOf(named(made, 'relative_positions_keys'), D),
            values: tableOf(named(made, 'relative_positions_values'), D),
          },
        }),
  });
}

describe('routing heads with keys of their own, or with vectors for distances', () => {
  it.each([
    ['separate keys', { keys: 'separate' }],
    ['separate keys of the past', { keys: 'separate', route: 'past' }],
    ['distances', { relative: 2 }],
    ['distances of the past', { relative: 2, route: 'past' }],
    ['distances, itself as a last resort', { relative: 2, self: 'last-resort' }],
    [
      'distances, small clusters of the past',
      { relative: 1, route: 'past', self: 'last-resort', clusters: 6, size: 2 },
    ],
    ['distances with separate keys', { relative: 2, keys: 'separate' }],
    ['distances with separate keys of the past', { relative: 3, keys: 'separate', route: 'past' }],
    ['more places than tokens', { relative: 20, keys: 'separate', clusters: 2, size: 50 }],
  ] satisfies [string, RoutingOptions][])('are what plain loops give: %s', async (_, given) => {
    const options = { clusters: 3, size: 4, ...given, routingHeads: 2, centroids: 'frozen' as const };
    const made = await run(options);
    for (const [b, h] of [
      [0, 2],
      [1, 2],
      [1, 3],
    ] as const) {
      const { weights, outputs } = expected(made, options, b, h);
      expect(worst(rowsOf(made, 'attn.hook_pattern', b, h, T).flat(), weights.flat())).toBeLessThan(1e-5);
      expect(worst(rowsOf(made, 'attn.hook_z', b, h).flat(), outputs.flat())).toBeLessThan(2e-5);
    }
  });

  it('leave the local heads alone', async () => {
    const plain = await run({ routingHeads: 2 });
    // The first heads of k_proj are the local ones.
    const keys = Float32Array.from({ length: H * D * 12 }, (_, i) => named(plain, 'k_proj.weight')[i] ?? Math.sin(i));
    const made = await run({ routingHeads: 2, keys: 'separate', relative: 2 }, { weights: { 'k_proj.weight': keys } });
    for (const h of [0, 1])
      expect(worst(rowsOf(made, 'attn.hook_z', 0, h).flat(), rowsOf(plain, 'attn.hook_z', 0, h).flat())).toBe(0);
  });

  it('with separate keys have norm √D each and a k_proj of all heads', async () => {
    const made = await run({ keys: 'separate', routingHeads: 2 });
    for (const hook of ['attn.hook_rot_q', 'attn.hook_rot_k'] as const)
      for (const row of rowsOf(made, hook, 0, 3)) expect(row.reduce((a, b) => a + b * b, 0)).toBeCloseTo(D, 3);
    const [q, k] = [rowsOf(made, 'attn.hook_rot_q', 0, 3).flat(), rowsOf(made, 'attn.hook_rot_k', 0, 3).flat()];
    expect(worst(q, k)).toBeGreaterThan(0.1);
    expect(named(made, 'k_proj.weight').length).toBe(H * D * 12);
  });

  it('with separate keys made equal to the queries are the shared ones', async () => {
    const shared = await run({ routingHeads: 2, centroids: 'frozen' });
    const local = [...named(shared, 'k_proj.weight')];
    const equal = Float32Array.from([...local, ...named(shared, 'q_proj.weight').slice(2 * D * 12)]);
    const made = await run(
      { routingHeads: 2, centroids: 'frozen', keys: 'separate' },
      { weights: { 'k_proj.weight': equal } },
    );
    expect(worst(made.output, shared.output)).toBeLessThan(1e-6);
  });

  it('with one cluster of all tokens, no ε and vectors of zero are causal softmax attention on normalised queries and keys', async () => {
    for (const keys of ['shared', 'separate'] as const) {
      const zero = new Array(5 * D).fill(0);
      const weights = { relative_positions_keys: zero, relative_positions_values: zero };
      const made = await run({ clusters: 1, size: T, epsilon: 0, routingHeads: 1, keys, relative: 2 }, { weights });
      const [q, k] = [rowsOf(made, 'attn.hook_rot_q', 1, 3), rowsOf(made, 'attn.hook_rot_k', 1, 3)];
      const rows = q.map((query, t) => {
        const exps = k.map((key, s) =>
          s <= t ? Math.exp(query.reduce((sum, value, d) => sum + value * key[d]!, 0) * D ** -0.5) : 0,
        );
        const total = exps.reduce((a, b) => a + b, 0);
        return exps.map((e) => e / total);
      });
      expect(worst(rowsOf(made, 'attn.hook_pattern', 1, 3, T).flat(), rows.flat())).toBeLessThan(1e-6);
    }
  });

  it('with one cluster of all tokens weigh the token before by its vector alone where queries and keys say nothing', async () => {
    // One head, one text of equal tokens: q · a is ln 3 · √D one token back and 0 elsewhere, so weights are 3 to 1.
    const text = [Array.from({ length: 3 }, () => [1, 0])];
    const made = await runLayer(
      routingTransformer({ clusters: 1, size: 3, epsilon: 0, routingHeads: 1, relative: 2 }),
      text,
      {
        site: { position: {}, sizes: { H: 1, G: 1, D: 2, M: 2 } },
        hooks: ['attn.hook_pattern'],
        weights: {
          // Layer norm of (1, −1) is itself.
          'q_proj.weight': [1, 0, -1, 0],
          relative_positions_keys: [0, 0, Math.SQRT2 * Math.log(3), 0, 0, 0, 0, 0, 0, 0],
        },
      },
    );
    const rows = tableOf(made.hooks.get('attn.hook_pattern')!.data as Float32Array, 3);
    expect(worst(rows.flat(), [1, 0, 0, 0.75, 0.25, 0, 0.2, 0.6, 0.2])).toBeLessThan(1e-5);
  });

  it('of the past depend on no later token', async () => {
    const changed = x.map((text) => text.map((row, t) => (t === 7 ? row.map((value) => 1 - 2 * value) : row)));
    for (const options of [
      { keys: 'separate', route: 'past' },
      { relative: 2, route: 'past', keys: 'separate' },
    ] satisfies RoutingOptions[]) {
      const [one, other] = [
        await run(options),
        await runLayer(routingTransformer(options), changed, { site: { position: {} } }),
      ];
      for (const b of [0, 1]) {
        const part = (output: Float32Array) => output.subarray(b * T * 12, (b * T + 7) * 12);
        expect(worst(part(one.output), part(other.output))).toBe(0);
      }
    }
  });
});

describe('an edit of the pattern', () => {
  it('takes the vectors of distances along: half the weights, half the output', async () => {
    const mechanism = routingTransformer({ relative: 2, routingHeads: 4, clusters: 3, size: 5 });
    const layer = mechanism.attention(siteOf({ position: {} }));
    const stream = input('x', { B: 2, T, M: 12 });
    const places = wholeText(T);
    const outputs = [1, 0.5].map((factor) => {
      const edits = { 'attn.hook_pattern': (pattern: Tensor<string>) => multiply(pattern, factor) };
      const tap = ((name: string, value: Tensor<string>) =>
        factor !== 1 && name in edits ? edits['attn.hook_pattern'](value) : value) as never as Parameters<
        typeof layer.attend
      >[3];
      tap.watched = () => true;
      return layer.attend(stream, layer.keysAndValues(rename(stream, 'T', 'S'), places, tap), places, tap);
    });
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(
      lower({ whole: { value: outputs[0]! }, half: { value: outputs[1]! } }, { weights: 'inputs' }),
    );
    const weights = weightsFor(outputs.map(({ node }) => node));
    const made = await program.run({
      x: { type: 'float32', shape: [2, T, 12], data: Float32Array.from(x.flat(2)) },
      ...Object.fromEntries(
        program.graph.weights.map(({ input: name, weight, shape }) => [
          name,
          { type: 'float32' as const, shape, data: weights.get(weight)! },
        ]),
      ),
    });
    const whole = made.whole!.data as Float32Array;
    expect(
      worst(
        made.half!.data as Float32Array,
        whole.map((value) => value / 2),
      ),
    ).toBeLessThan(1e-6);
    expect(Math.max(...whole)).toBeGreaterThan(0.1);
  });
});

describe('centroids of separate keys', () => {
  it('learn from queries and keys alike: two losses, and running sums that take half of each', async () => {
    const losses: Tensor<never>[] = [];
    const buffers = new Map<string, Tensor<string>>();
    const training = {
      loss: (term: Tensor<never>) => void losses.push(term),
      buffer: (name: string, next: unknown) => void buffers.set(name, next as Tensor<string>),
    };
    const options: RoutingOptions = { keys: 'separate', routingHeads: 2, clusters: 3, size: 4, momentum: 0.9 };
    const layer = routingTransformer(options).attention(siteOf({ position: {}, training }));
    const tap = ((_: string, value: unknown) => value) as never as Parameters<typeof layer.attend>[3];
    tap.watched = () => false;
    const stream = input('x', { B: 2, T, M: 12 });
    const places = wholeText(T);
    const output = layer.attend(stream, layer.keysAndValues(rename(stream, 'T', 'S'), places, tap), places, tap);
    expect(losses.length).toBe(2);
    expect([...buffers.keys()].map((name) => name.split('.').at(-1))).toEqual(['centroid_sums', 'centroid_counts']);
    const counts = buffers.get('layers.0.self_attn.centroid_counts')!;
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(
      lower(
        { counts: { value: counts, order: ['G', 'C'] }, loss: { value: losses.reduce((a, b) => add(a, b)) } },
        { weights: 'inputs' },
      ),
    );
    const weights = weightsFor([output.node, counts.node]);
    for (const [name, values] of weights) if (name.endsWith('centroid_counts')) values.fill(4);
    const made = await program.run({
      x: { type: 'float32', shape: [2, T, 12], data: Float32Array.from(x.flat(2)) },
      ...Object.fromEntries(
        program.graph.weights.map(({ input: name, weight, shape }) => [
          name,
          { type: 'float32' as const, shape, data: weights.get(weight)! },
        ]),
      ),
    });
    const next = [...(made.counts!.data as Float32Array)];
    // Of each head: what was there, 3 clusters of 4, and a tenth of the mean of 22 queries and 22 keys.
    for (const h of [0, 1])
      expect(next.slice(3 * h, 3 * h + 3).reduce((a, b) => a + b, 0)).toBeCloseTo(0.9 * 12 + 0.1 * 22, 4);
    expect((made.loss!.data as Float32Array)[0]).toBeGreaterThan(0);
  });
});

describe('what does not fit is refused', () => {
  it.each([
    [{ relative: 0 }, 'routing: relative must be a whole number of at least 1, got 0'],
    [
      { keys: 'separate', self: 'last-resort' },
      'routing: self last-resort is for shared keys, where a token is its own best match; leave self out with keys separate',
    ],
  ] satisfies [RoutingOptions, string][])('%j', (options, message) => {
    expect(() => routingTransformer(options)).toThrow(message);
  });

  it('names say what is changed', () => {
    expect(routingTransformer({ route: 'past', keys: 'separate', relative: 8 }).name).toBe(
      'routing: route past, keys separate, relative 8',
    );
    expect(routingTransformer({ keys: 'shared' }).name).toBe('routing: clusters of the whole text');
  });
});
