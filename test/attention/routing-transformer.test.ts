import { describe, expect, it } from 'vitest';
import { type RoutingOptions, routingTransformer } from '../../src/attention/mechanisms/routing-transformer.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { wholeText } from '../../src/attention/places.ts';
import {
  firstCentroids,
  nearest,
  smoothedMeans,
  updatedOnSphere,
  updatedSums,
} from '../../src/attention/selection/centroids.ts';
import { clusterPattern, pastClusters, wholeTextClusters } from '../../src/attention/selection/routing.ts';
import {
  dot,
  expand,
  gradients,
  input,
  lessOrEqual,
  multiply,
  pick,
  rename,
  select,
  sum,
  type Tensor,
} from '../../src/tensor/index.ts';
import { evaluate, given } from './evaluate.ts';
import { naiveClusters, naiveRouting } from './naive/routing.ts';
import { type LayerRun, runLayer, siteOf, someStream, worst } from './support.ts';

const T = 11;
const x = someStream(2, T);
const [H, D] = [4, 8];
const free = { position: {} };

const patternOf = (run: LayerRun, b: number, h: number) =>
  Array.from({ length: T }, (_, t) => {
    const from = ((b * H + h) * T + t) * T;
    return [...(run.hooks.get('attn.hook_pattern')!.data as Float32Array).subarray(from, from + T)];
  });
const keysOf = (run: LayerRun, b: number, h: number) =>
  Array.from({ length: T }, (_, t) => {
    const from = ((b * H + h) * T + t) * D;
    return [...(run.hooks.get('attn.hook_rot_k')!.data as Float32Array).subarray(from, from + D)];
  });
const named = (run: LayerRun, end: string) => [...run.weights].find(([name]) => name.endsWith(end))![1];
const scoresOf = (rows: readonly (readonly number[])[]) =>
  rows.map((a) => rows.map((b) => a.reduce((s, value, i) => s + value * b[i]!, 0) * a.length ** -0.5));

const run = (options: RoutingOptions) =>
  runLayer(routingTransformer(options), x, {
    site: free,
    hooks: ['attn.hook_pattern', 'attn.hook_rot_k', 'attn.hook_rot_q', 'attn.hook_z'],
  });

describe('routing heads against the loops that define them', () => {
  const cases: [string, RoutingOptions][] = [
    ['of the whole text', { clusters: 3, size: 4 }],
    ['of the past', { clusters: 3, size: 4, route: 'past' }],
    ['a token that sees itself as a last resort', { clusters: 3, size: 4, self: 'last-resort' }],
    ['many small ones of the past', { clusters: 6, size: 2, route: 'past', self: 'last-resort' }],
    ['more places than tokens', { clusters: 2, size: 50 }],
  ];
  it.each(cases)('give their patterns: clusters %s', async (_, options) => {
    const made = await run({ ...options, routingHeads: 2, centroids: 'frozen' });
    const centroids = named(made, 'centroids');
    for (const [b, h] of [
      [0, 2],
      [1, 2],
      [1, 3],
    ] as const) {
      const keys = keysOf(made, b, h);
      const own = Array.from({ length: options.clusters! }, (_, c) => {
        const from = ((h - 2) * options.clusters! + c) * D;
        return [...centroids.subarray(from, from + D)];
      });
      const { weights } = naiveRouting({
        ...{ x: keys, centroids: own, count: options.size!, epsilon: 1e-2, scores: scoresOf(keys) },
        ...{ past: options.route === 'past', lastResort: options.self === 'last-resort' },
      });
      expect(worst(patternOf(made, b, h).flat(), weights.flat())).toBeLessThan(1e-5);
    }
  });

  it('share queries and keys, layer-normalised to norm √D; local heads do neither', async () => {
    const made = await run({ routingHeads: 2 });
    const [q, k] = ['attn.hook_rot_q', 'attn.hook_rot_k'].map(
      (name) => made.hooks.get(name as never)!.data as Float32Array,
    );
    for (const h of [2, 3]) {
      const part = (values: Float32Array) => values.subarray(h * T * D, (h + 1) * T * D);
      expect(worst(part(q!), part(k!))).toBe(0);
      for (const row of keysOf(made, 0, h)) {
        expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 5);
        expect(row.reduce((a, b) => a + b * b, 0)).toBeCloseTo(D, 3);
      }
    }
    expect(worst(q!.subarray(0, T * D), k!.subarray(0, T * D))).toBeGreaterThan(0.1);
    expect([...made.weights.keys()].map((name) => name.replace('layers.0.self_attn.', '')).sort()).toEqual([
      ...['centroid_counts', 'centroid_sums', 'k_proj.weight', 'o_proj.weight', 'q_proj.weight', 'v_proj.weight'],
    ]);
    expect(named(made, 'k_proj.weight').length).toBe(2 * D * 12);
  });
});

describe('unit checks', () => {
  it('1: one cluster of all tokens without ε is causal softmax attention on the normalised queries', async () => {
    const made = await run({ clusters: 1, size: T, epsilon: 0, routingHeads: 1 });
    const keys = keysOf(made, 1, 3);
    const rows = scoresOf(keys).map((row, t) => {
      const exps = row.map((score, s) => (s <= t ? Math.exp(score) : 0));
      const total = exps.reduce((a, b) => a + b, 0);
      return exps.map((e) => e / total);
    });
    expect(worst(patternOf(made, 1, 3).flat(), rows.flat())).toBeLessThan(1e-6);
    const official = await run({ clusters: 1, size: T, routingHeads: 1 });
    expect(
      worst(
        patternOf(official, 1, 3).flat(),
        rows.flat().map((w) => w / 1.01),
      ),
    ).toBeLessThan(1e-6);
  });

  it('1: local heads of a block as long as the text are softmax attention', async () => {
    const made = await runLayer(routingTransformer({ routingHeads: 0, localBlock: T }), x, {
      site: { sizes: { H, G: H, D, M: 12 } },
    });
    const plain = await runLayer(softmaxAttention(), x, { site: { sizes: { H, G: H, D, M: 12 } } });
    expect(worst(made.output, plain.output)).toBeLessThan(1e-6);
  });

  it('local heads see their own block and the one before', async () => {
    const made = await run({ routingHeads: 2, localBlock: 3 });
    patternOf(made, 0, 1).forEach((row, t) => {
      const block = Math.floor(t / 3);
      const seen = row.flatMap((value, s) => (value > 0 ? [s] : []));
      const first = Math.max(0, 3 * (block - 1));
      expect(seen).toEqual(Array.from({ length: t - first + 1 }, (_, i) => first + i));
    });
  });

  const tokens = [
    [1, 0],
    [0, 1],
    [0.8, 0.6],
    [0.6, 0.8],
  ];
  /** Pattern and memberships of one head over tokens as they are. */
  async function routed(rows: number[][], centroids: number[][], count: number, past = false, epsilon = 0) {
    const S = rows.length;
    const own = given('x', { B: 1, S, G: 1, D: 2 }, rows.flat());
    const mu = given('mu', { G: 1, C: centroids.length, D: 2 }, centroids.flat());
    const places = wholeText(S);
    const member = (past ? pastClusters : wholeTextClusters)(dot(own.tensor, mu.tensor, 'D'), places, count);
    const scores = scoresOfTensor(own.tensor, places);
    const pattern = clusterPattern(scores, member, places, { epsilon, self: 'keep' });
    const order = ['B', 'G', 'C', ...(past ? ['T'] : []), 'S'];
    const made = await evaluate({ pattern: { value: pattern }, member: { value: member, order } }, [own, mu]);
    const table = (values: readonly number[]) =>
      Array.from({ length: values.length / S }, (_, i) => values.slice(i * S, (i + 1) * S));
    return { pattern: table(made.pattern!), member: table(made.member!) };
  }
  const scoresOfTensor = (own: Tensor<'B' | 'S' | 'G' | 'D'>, places: ReturnType<typeof wholeText>) => {
    const query = rename(own, 'S', 'T');
    const seen = lessOrEqual(places.keys, places.queries);
    const masked = select(seen, multiply(dot(query, own, 'D'), 2 ** -0.5), Number.NEGATIVE_INFINITY);
    return expand(masked, { R: 1 });
  };

  it('2: centroids (1, 0) and (0, 1) take {0, 2} and {1, 3}, and token 2 attends to 0 and 2 only', async () => {
    expect(
      naiveClusters(
        tokens,
        [
          [1, 0],
          [0, 1],
        ],
        2,
      ),
    ).toEqual([
      [0, 2],
      [1, 3],
    ]);
    const { pattern, member } = await routed(
      tokens,
      [
        [1, 0],
        [0, 1],
      ],
      2,
    );
    expect(member).toEqual([
      [1, 0, 1, 0],
      [0, 1, 0, 1],
    ]);
    const [near, own] = [Math.exp(0.8 * Math.SQRT1_2), Math.exp(Math.SQRT1_2)];
    expect(worst(pattern[2]!, [near / (near + own), 0, own / (near + own), 0])).toBeLessThan(1e-6);
  });

  it('3: no output has a slope in a later token when the routing is given', async () => {
    const S = 7;
    const rows = Array.from({ length: S }, (_, t) => [Math.sin(3 * t + 1), Math.cos(5 * t)]);
    const own = given('x', { B: 1, S, G: 1, D: 2 }, rows.flat());
    const mu = given('mu', { G: 1, C: 2, D: 2 }, [1, 0.2, -0.3, 1]);
    const places = wholeText(S);
    const member = wholeTextClusters(dot(own.tensor, mu.tensor, 'D'), places, 4);
    const pattern = clusterPattern(scoresOfTensor(own.tensor, places), member, places, { epsilon: 0.01, self: 'keep' });
    const out = dot(pattern, own.tensor, 'S');
    const slopes = Array.from({ length: S }, (_, t) => {
      const loss = sum(pick(out, 'T', t), ['B', 'G', 'R', 'D']);
      return gradients(loss, [own.tensor])[0]!;
    });
    const made = await evaluate(
      Object.fromEntries(slopes.map((value, t) => [`t${t}`, { value, order: ['B', 'S', 'G', 'D'] }])),
      [own, mu],
    );
    for (let t = 0; t < S; t++) {
      expect(made[`t${t}`]!.slice(2 * (t + 1)).every((value) => value === 0)).toBe(true);
    }
    expect(made.t6!.some((value) => value !== 0)).toBe(true);
  });

  it('4: a token in two clusters gets the mean of both, one in none gets zeros', async () => {
    const { pattern, member } = await routed(
      tokens,
      [
        [1, 0],
        [0.9, 0.5],
      ],
      2,
    );
    expect(member).toEqual([
      [1, 0, 1, 0],
      [0, 0, 1, 1],
    ]);
    const [near, own] = [Math.exp(0.8 * Math.SQRT1_2), Math.exp(Math.SQRT1_2)];
    // Of its first cluster token 2 sees 0 and itself, of its second only itself.
    const first = [near / (near + own), 0, own / (near + own), 0];
    expect(worst(pattern[2]!, [first[0]! / 2, 0, (first[2]! + 1) / 2, 0])).toBeLessThan(1e-6);
    expect(pattern[1]).toEqual([0, 0, 0, 0]);
  });

  it('clusters of the past are those of the text cut at the query, and a later token changes those of the whole text', async () => {
    const { member } = await routed(
      tokens,
      [
        [1, 0],
        [0, 1],
      ],
      2,
      true,
    );
    for (let c = 0; c < 2; c++)
      for (let t = 0; t < 4; t++) {
        const cut = naiveClusters(
          tokens.slice(0, t + 1),
          [
            [1, 0],
            [0, 1],
          ],
          2,
        )[c]!;
        expect(member[4 * c + t]!.flatMap((value, s) => (value ? [s] : []))).toEqual(cut);
      }
    const longer = await routed(
      [...tokens, [2, 0]],
      [
        [1, 0],
        [0, 1],
      ],
      2,
    );
    expect(longer.member[0]).toEqual([1, 0, 0, 0, 1]);
  });

  it('6: takes n k + k w² products a head', async () => {
    const rows = Array.from({ length: 16 }, (_, t) => [Math.sin(t), Math.cos(2 * t)]);
    const centroids = Array.from({ length: 4 }, (_, c) => [Math.sin(c + 1), Math.cos(c)]);
    const { products } = naiveRouting({ x: rows, centroids, count: 4, epsilon: 0, scores: scoresOf(rows) });
    expect(products).toBe(16 * 4 + 4 * 4 ** 2);
  });
});

describe('centroids', () => {
  // Three tokens, all nearest to the first of two centroids.
  const own = given('x', { B: 1, S: 3, G: 1, D: 2 }, [1, 0, 0.8, 0.6, 0.6, 0.2]);
  const mu = given('mu', { G: 1, C: 2, D: 2 }, [1, 1, -1, 0]);
  const counts = given('counts', { G: 1, C: 2 }, [2, 5]);
  const hot = nearest(own.tensor, mu.tensor);

  it('5: running sums and counts move by 1 − γ of the batch, and a cluster without tokens stays where it is', async () => {
    const next = updatedSums({ sums: mu.tensor, counts: counts.tensor }, own.tensor, hot, 0.9);
    const means = smoothedMeans(next.sums, next.counts, 2);
    const made = await evaluate(
      {
        sums: { value: next.sums, order: ['G', 'C', 'D'] },
        counts_: { value: next.counts, order: ['G', 'C'] },
        means: { value: means, order: ['G', 'C', 'D'] },
        before: { value: smoothedMeans(mu.tensor, counts.tensor, 2), order: ['G', 'C', 'D'] },
      },
      [own, mu, counts],
    );
    expect(worst(made.sums!, [0.9 + 0.1 * 2.4, 0.9 + 0.1 * 0.8, -0.9, 0])).toBeLessThan(1e-6);
    expect(worst(made.counts_!, [0.9 * 2 + 0.1 * 3, 0.9 * 5])).toBeLessThan(1e-6);
    expect(worst(made.means!.slice(0, 2), [1.14 / 2.1, 0.98 / 2.1])).toBeLessThan(1e-5);
    expect(worst(made.means!.slice(2), made.before!.slice(2))).toBeLessThan(1e-5);
    expect(made.before![2]).toBeCloseTo(-0.2, 5);
  });

  it('5: on the sphere the mean is brought to norm √D first, and a cluster without tokens stays exactly', async () => {
    const next = updatedOnSphere(mu.tensor, own.tensor, hot, 0.9);
    const { m } = await evaluate({ m: { value: next, order: ['G', 'C', 'D'] } }, [own, mu]);
    const norm = Math.hypot(2.4, 0.8);
    expect(
      worst(m!.slice(0, 2), [0.9 + (0.1 * Math.SQRT2 * 2.4) / norm, 0.9 + (0.1 * Math.SQRT2 * 0.8) / norm]),
    ).toBeLessThan(1e-6);
    expect(m!.slice(2)).toEqual([-1, 0]);
  });

  it('padding counts for no centroid', async () => {
    const real = expand(lessOrEqual(wholeText(3).keys, 0), { B: 1 });
    const { c } = await evaluate({ c: { value: sum(nearest(own.tensor, mu.tensor, real), ['B', 'S']) } }, [own, mu]);
    expect(c).toEqual([1, 0]);
  });

  it('start layer-normalised, with counts of one', () => {
    let i = 0;
    const values = firstCentroids('a.self_attn.centroids', [1, 2, 4], () => Math.sin(++i))!;
    for (const row of [values.subarray(0, 4), values.subarray(4)]) {
      expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 5);
      expect(row.reduce((a, b) => a + b * b, 0)).toBeCloseTo(4, 5);
    }
    expect([...firstCentroids('a.self_attn.centroid_counts', [1, 2], () => 9)!]).toEqual([1, 1]);
    expect(firstCentroids('a.self_attn.q_proj.weight', [1, 2], () => 9)).toBeUndefined();
  });

  it.each([
    ['ema', 1, ['centroid_sums', 'centroid_counts']],
    ['sphere', 1, ['centroids']],
    ['gradient', 2, []],
    ['frozen', 0, []],
  ] as const)('learn as said: %s gives %d terms of the loss and updates %j', (centroids, terms, buffers) => {
    const losses: Tensor<never>[] = [];
    const updated: string[] = [];
    const site = siteOf({ training: { loss: (term) => losses.push(term), buffer: (name) => updated.push(name) } });
    const layer = routingTransformer({ centroids }).attention(site);
    const tap = ((_: string, value: unknown) => value) as unknown as Parameters<typeof layer.attend>[3];
    tap.watched = () => false;
    const stream = input('x', { B: 1, T: 5, M: 12 });
    const places = wholeText(5);
    layer.attend(stream, layer.keysAndValues(rename(stream, 'T', 'S'), places, tap), places, tap);
    expect(losses.length).toBe(terms);
    expect(updated).toEqual(buffers.map((name) => `layers.0.self_attn.${name}`));
  });
});

describe('what does not fit is refused', () => {
  it.each([
    [{ clusters: 0 }, 'routing: clusters must be a whole number of at least 1, got 0'],
    [{ size: 1.5 }, 'routing: size must be a whole number of at least 1, got 1.5'],
    [{ momentum: 2 }, 'routing: momentum must be from 0 to 1, got 2'],
    [{ epsilon: -1 }, 'routing: epsilon must be a finite number of at least 0, got -1'],
  ] as const)('%j', (options, message) => {
    expect(() => routingTransformer(options)).toThrow(message);
  });
  it('more routing heads than heads', () => {
    expect(() => routingTransformer({ routingHeads: 5 }).attention(siteOf())).toThrow(
      'routing: routingHeads must be at most H = 4, got 5',
    );
  });
  it('routing in the last layer alone leaves the others local', async () => {
    const names = async (layer: number) => {
      const made = await runLayer(routingTransformer({ layers: 'last' }), x, { site: { layer } });
      return [...made.weights.keys()].some((name) => name.includes('centroid'));
    };
    expect([await names(0), await names(1)]).toEqual([false, true]);
  });
});
