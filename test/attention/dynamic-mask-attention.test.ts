import { describe, expect, it } from 'vitest';
import type { Mechanism } from '../../src/attention/mechanism.ts';
import {
  type DynamicMaskOptions,
  dynamicMaskAttention,
} from '../../src/attention/mechanisms/dynamic-mask-attention.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { wholeText } from '../../src/attention/places.ts';
import { rotary } from '../../src/attention/positions/rope-frequencies.ts';
import { keptKeys } from '../../src/attention/selection/dynamic-mask.ts';
import { scrambledOrder } from '../../src/attention/selection/scrambled-order.ts';
import { topVisible } from '../../src/attention/selection/top-visible.ts';
import { add, cast, dot, exp, gradients, multiply, select, softmax, sum, type Tensor } from '../../src/tensor/index.ts';
import { familyFolder } from '../models/support.ts';
import { evaluate, given } from './evaluate.ts';
import { fixtureLayer } from './fixture-layer.ts';
import {
  naiveAdded,
  naiveBlocks,
  naiveDynamicMask,
  naiveKept,
  naiveSkipping,
  naiveWeights,
} from './naive/dynamic-mask.ts';
import { type LayerRun, runLayer, someStream, worst } from './support.ts';

const T = 11;
const x = someStream(2, T);
const [H, G, D] = [4, 2, 8];
const R = H / G;

/** The pattern of one text and query head, [T][S]. */
function patternOf(run: LayerRun, b: number, h: number, length = T): number[][] {
  const rows = run.hooks.get('attn.hook_pattern')!.data as Float32Array;
  return Array.from({ length }, (_, t) => {
    const from = ((b * H + h) * length + t) * length;
    return [...rows.subarray(from, from + length)];
  });
}

/** One head's share of a hook that is laid out [B, G, (R,) T or S, D] or with the heads inside. */
const hooked = ['attn.hook_rot_q', 'attn.hook_rot_k', 'attn.v.hook_out', 'attn.hook_pattern', 'attn.hook_z'] as const;

/** Everything that the naive version needs, from the layer's own hook points and weights. */
function headOf(run: LayerRun, b: number, h: number, form: 'exp' | 'log', perQuery: boolean, length = T) {
  const at = (name: (typeof hooked)[number]) => run.hooks.get(name)!.data as Float32Array;
  const g = Math.floor(h / R);
  const row = (values: Float32Array, heads: number, head: number, t: number) => {
    const from = ((b * heads + head) * length + t) * D;
    return [...values.subarray(from, from + D)];
  };
  const all = (name: (typeof hooked)[number], heads: number, head: number) =>
    Array.from({ length }, (_, t) => row(at(name), heads, head, t));
  const values = Array.from({ length: G }, (_, one) => all('attn.v.hook_out', G, one));
  const weight = [...run.weights].find(([name]) => name.endsWith('dt_proj.weight'))![1];
  const A = [...run.weights].find(([name]) => name.endsWith('self_attn.A'))![1];
  const score = perQuery ? h : g;
  const r = Array.from({ length }, (_, t) =>
    values.flatMap((one) => one[t]!).reduce((s, value, i) => s + value * weight[score * G * D + i]!, 0),
  );
  return {
    q: all('attn.hook_rot_q', H, h),
    k: all('attn.hook_rot_k', G, g),
    v: values[g]!,
    order: r.map((value) => value * Math.sign(A[score]!)),
    added: r.map((value) => naiveAdded(value, A[score]!, form)),
    z: all('attn.hook_z', H, h),
  };
}

const run = (mechanism: Mechanism, weights: Record<string, number[]> = {}, length?: number) =>
  runLayer(mechanism, length === undefined ? x : someStream(2, length), { hooks: [...hooked], weights });

/** Keys kept of given scores, [T][S]. */
async function kept(scores: readonly number[], count: number, ties: 'earlier' | 'later' = 'later') {
  const S = scores.length;
  const order = given('order', { S }, scores);
  const places = wholeText(S);
  const visible = select(causal(S), 1, 0);
  const chosen = topVisible(order.tensor, causal(S), places.keys, count, ties);
  const { mask } = await evaluate(
    { mask: { value: add(cast(chosen, 'float32'), multiply(visible, 0)), order: ['T', 'S'] } },
    [order],
  );
  return Array.from({ length: S }, (_, t) => mask!.slice(t * S, (t + 1) * S).flatMap((value, s) => (value ? [s] : [])));
}
const causal = (length: number) =>
  keptKeys(undefined, { by: 'top', keep: length, order: 'recency', first: 0, ties: 'later' }, wholeText(length), {
    G: 1,
  }) as Tensor<'T' | 'S'>;

describe('dynamic mask attention against the loops that define it', () => {
  const cases: [string, DynamicMaskOptions & { form?: 'exp' | 'log' }][] = [
    ['exp form', { keep: 4 }],
    ['log form', { keep: 4, form: 'log' }],
    ['a score for each query head', { keep: 4, heads: 'query' }],
    ['one key', { keep: 1 }],
    ['more keys than there are', { keep: 50 }],
    ['blocks of three', { keep: 4, block: 3 }],
  ];
  it.each(cases)('gives its patterns and outputs: %s', async (_, options) => {
    const made = await run(dynamicMaskAttention(options));
    const keep = 'keep' in options ? options.keep! : T;
    for (const [b, h] of [
      [0, 0],
      [0, 3],
      [1, 1],
      [1, 2],
    ] as const) {
      const head = headOf(made, b, h, options.form ?? 'exp', options.heads === 'query');
      const alone = naiveKept(head.order, keep);
      const chosen = options.block === undefined ? alone : naiveBlocks(alone, options.block);
      const weights = naiveWeights(head, chosen);
      expect(worst(patternOf(made, b, h).flat(), weights.flat())).toBeLessThan(1e-5);
      if (options.block !== undefined) continue;
      expect(worst(head.z.flat(), naiveDynamicMask({ ...head, keep }).flat())).toBeLessThan(1e-5);
    }
  });

  it('keeps all keys of a head with A > 0 and none of one with A ≤ 0 under the sign mask, where rows are zeros', async () => {
    const made = await run(dynamicMaskAttention({ form: 'log', mask: 'sign' }), { 'self_attn.A': [0.7, -0.7] });
    const head = headOf(made, 0, 0, 'log', false);
    expect(worst(patternOf(made, 0, 0).flat(), naiveWeights(head, naiveKept(head.order, T)).flat())).toBeLessThan(1e-5);
    expect(Math.max(...patternOf(made, 0, 2).flat())).toBe(0);
    expect(made.output.every(Number.isFinite)).toBe(true);
  });
});

describe('limits', () => {
  it('1: with w ≥ n and A = 0 it is softmax attention, whatever W_Δ is', async () => {
    const [mine, plain] = [
      await run(dynamicMaskAttention({ keep: T }), { 'self_attn.A': [0, 0] }),
      await runLayer(softmaxAttention(), x),
    ];
    expect(worst(mine.output, plain.output)).toBeLessThan(1e-6);
    const other = await run(dynamicMaskAttention({ keep: T }), { 'self_attn.A': [0, 0.5] });
    expect(worst(other.output, plain.output)).toBeGreaterThan(1e-3);
  });

  it('2: with w ≥ n it is softmax attention with δ added to every column; a constant on all δ changes nothing', async () => {
    const made = await run(dynamicMaskAttention({ keep: T }));
    const head = headOf(made, 1, 3, 'exp', false);
    const everything = head.order.map((_, i) => head.order.map((_, j) => j <= i));
    const moved = { ...head, added: head.added.map((value) => value + 3) };
    for (const biased of [head, moved])
      expect(worst(patternOf(made, 1, 3).flat(), naiveWeights(biased, everything).flat())).toBeLessThan(1e-5);
  });

  it('with A frozen at 0 ties go to the later token: a sliding window of w', async () => {
    const plain = await runLayer(softmaxAttention(), x, { site: { window: 4 } });
    const frozen = await runLayer(dynamicMaskAttention({ form: 'none', keep: 4 }), x);
    expect(worst(frozen.output, plain.output)).toBeLessThan(1e-6);
    expect([...frozen.weights.keys()].some((name) => /dt_proj|\.A$/.test(name))).toBe(false);
    const zero = await run(dynamicMaskAttention({ keep: 4 }), { 'self_attn.A': [0, 0] });
    expect(worst(zero.output, plain.output)).toBeLessThan(1e-6);
  });

  it('starts there: A is 0 at first, and 1 under the sign mask', () => {
    expect([...dynamicMaskAttention().initial!('a.self_attn.A', [2], () => 1)!]).toEqual([0, 0]);
    expect([...dynamicMaskAttention({ form: 'log', mask: 'sign' }).initial!('a.self_attn.A', [2], () => 1)!]).toEqual([
      1, 1,
    ]);
    expect(dynamicMaskAttention().initial!('a.self_attn.dt_proj.weight', [2, 2], () => 1)).toBeUndefined();
  });
});

describe('the keys that are kept', () => {
  it('3: are min(w, i + 1) for query i, and one dropped stays dropped for every later query', async () => {
    for (const [mechanism, keep] of [
      [dynamicMaskAttention({ keep: 3 }), 3],
      [dynamicMaskAttention({ keep: 5, order: 'random' }), 5],
      [dynamicMaskAttention({ keep: 2, order: 'recency' }), 2],
    ] as const) {
      const made = await run(mechanism);
      for (const h of [0, 2]) {
        const rows = patternOf(made, 0, h).map((row) => row.map((value) => value > 0));
        rows.forEach((row, i) => {
          expect(row.filter(Boolean).length).toBe(Math.min(keep, i + 1));
          if (i > 0) for (let j = 0; j < i; j++) expect(row[j] && !rows[i - 1]![j]).toBe(false);
        });
      }
    }
  });

  it('4: of scores 3, 1, 2, 5 with w = 2 are {0}, {0, 1}, {0, 2}, {0, 3}', async () => {
    expect(await kept([3, 1, 2, 5], 2)).toEqual([[0], [0, 1], [0, 2], [0, 3]]);
  });

  it('of equal scores are the later ones, or the earlier ones where that is asked for', async () => {
    expect(await kept([1, 1, 1, 1, 2], 2)).toEqual([[0], [0, 1], [1, 2], [2, 3], [3, 4]]);
    expect(await kept([1, 1, 1, 1, 2], 2, 'earlier')).toEqual([[0], [0, 1], [0, 1], [0, 1], [0, 4]]);
  });

  it('are ranked by δ before it is clamped: exponents of 30 and 40 do not tie', async () => {
    const weights = { 'self_attn.A': [60, 60] };
    const made = await run(dynamicMaskAttention({ keep: 2 }), weights);
    const head = headOf(made, 0, 0, 'exp', false);
    expect(head.added.filter((value) => value === Math.exp(20)).length).toBeGreaterThan(2);
    expect(worst(patternOf(made, 0, 0).flat(), naiveWeights(head, naiveKept(head.order, 2)).flat())).toBeLessThan(1e-5);
    expect(made.output.every(Number.isFinite)).toBe(true);
  });

  it('hold the first token where it is kept by force, within the same w', async () => {
    const made = await run(dynamicMaskAttention({ keep: 3, keepFirst: 1 }));
    patternOf(made, 1, 1).forEach((row, i) => {
      expect(row[0]!).toBeGreaterThan(0);
      expect(row.filter((value) => value > 0).length).toBe(Math.min(3, i + 1));
    });
  });

  it('of a random order are others than of another salt or head, and no two keys share a number', async () => {
    const numbers = async (salt: number) => {
      const { n } = await evaluate(
        { n: { value: scrambledOrder(wholeText(300).keys, 2, salt), order: ['G', 'S'] } },
        [],
      );
      return [n!.slice(0, 300), n!.slice(300)];
    };
    const [[a, b], [c]] = [(await numbers(0)) as [number[], number[]], (await numbers(1)) as [number[]]];
    expect(new Set(a).size).toBe(300);
    expect(a.filter((value, i) => value === b[i] || value === c[i])).toEqual([]);
    // Neighbours are not alike: of 299 steps, about half go up.
    expect(Math.abs(a.filter((value, i) => i > 0 && value > a[i - 1]!).length - 149.5)).toBeLessThan(30);
  });
});

describe('5: gradients', () => {
  it('are zero at the logits of keys that are not kept, and reach a value twice: as it is mixed and as it is scored', async () => {
    const [S, keep] = [6, 2];
    const k = given('k', { S }, [0.3, -0.2, 0.9, 0.1, -0.6, 0.4]);
    const v = given('v', { S }, [1, -2, 0.5, 3, -1, 2]);
    const bias = exp(multiply(v.tensor, 0.2));
    const places = wholeText(S);
    const mask = topVisible(v.tensor, causal(S), places.keys, keep, 'later');
    const logits = add(add(k.tensor, bias), select(mask, 0, Number.NEGATIVE_INFINITY));
    const out = dot(softmax(logits, 'S'), v.tensor, 'S');
    const loss = sum(out, 'T');
    const [dk, dv] = gradients(loss, [k.tensor, v.tensor]);
    const mixOnly = sum(softmax(logits, 'S'), 'T');
    const made = await evaluate(
      { dk: { value: dk!, order: ['S'] }, dv: { value: dv!, order: ['S'] }, mixOnly: { value: mixOnly, order: ['S'] } },
      [k, v],
    );
    // Value 1 (−2) is kept by query 1 only, value 4 (−1) by none.
    const rows = await kept([...v.values], keep);
    expect(rows).toEqual([[0], [0, 1], [0, 2], [0, 3], [0, 3], [3, 5]]);
    expect(made.dk![4]).toBe(0);
    expect(made.dv![4]).toBe(0);
    const p = (i: number) => {
      const e = rows[i]!.map((j) => Math.exp(k.values[j]! + Math.exp(0.2 * v.values[j]!)));
      return (j: number) => (rows[i]!.includes(j) ? e[rows[i]!.indexOf(j)]! / e.reduce((a, b) => a + b) : 0);
    };
    const output = (i: number) => rows[i]!.reduce((total, j) => total + p(i)(j) * v.values[j]!, 0);
    const score = (j: number) => rows.reduce((total, _, i) => total + p(i)(j) * (v.values[j]! - output(i)), 0);
    for (let j = 0; j < S; j++) {
      expect(made.dk![j]!).toBeCloseTo(score(j), 5);
      expect(made.dv![j]!).toBeCloseTo(made.mixOnly![j]! + score(j) * 0.2 * Math.exp(0.2 * v.values[j]!), 5);
    }
  });
});

describe('6: what need not be read', () => {
  it('skipping blocks of keys of which none is kept changes nothing, and multiply-adds fall as w / n', async () => {
    const length = 48;
    const made = await run(dynamicMaskAttention({ keep: 6 }), {}, length);
    const head = headOf(made, 0, 1, 'exp', false, length);
    const dense = naiveSkipping({ ...head, keep: length }, 1).multiplyAdds;
    expect(dense).toBe(((length * (length + 1)) / 2) * 2 * D);
    for (const block of [1, 4]) {
      const { outputs, multiplyAdds } = naiveSkipping({ ...head, keep: 6 }, block);
      expect(worst(outputs.flat(), head.z.flat())).toBeLessThan(1e-5);
      if (block === 1) expect(multiplyAdds).toBe((6 * length - 15) * 2 * D);
      expect(multiplyAdds).toBeLessThan(dense);
    }
  });

  it('a cached token costs its keys, its values and one score for each score head', () => {
    const mechanism = dynamicMaskAttention();
    const sizes = { H, G, D, M: 12 };
    const site = { at: (name: string) => name, sizes, position: {}, context: 16, layer: 0, layers: 1, epsilon: 1e-5 };
    const state = mechanism.decoding!(site).state('past' as never);
    expect(Object.keys(state)).toEqual(['k', 'v', 'scores']);
    expect(Object.entries(state.scores!).map(([axis, size]) => `${axis} ${size}`)).toEqual(['B B', 'S past', 'G 2']);
  });
});

describe('Doge', () => {
  const folder = familyFolder('doge');
  const needs = folder === undefined ? ' (skipped: the shared fixture doge is not here)' : '';
  const sizes = { H: 4, G: 2, D: 8, M: 32 };
  const position = { rotary: rotary({ kind: 'default', theta: 10_000, partial: 1 }, sizes.D) };
  const layer = (index: number, options: DynamicMaskOptions) =>
    fixtureLayer(folder!, index, dynamicMaskAttention({ headNorms: true, ...options }), {
      ...{ sizes, position, layers: 3, epsilon: 1e-6 },
    });

  it.skipIf(folder === undefined).each([0, 1, 2])(
    `layer %i of the reference checkpoint is this mechanism${needs}`,
    async (index) => {
      const { run: made, expected } = await layer(index, { keep: 5, ties: 'earlier' });
      expect(worst(made.output, expected)).toBeLessThan(1e-6);
      const { run: dense } = await layer(index, { keep: 13 });
      expect(worst(dense.output, expected)).toBeGreaterThan(1e-4);
    },
  );

  it.skipIf(folder === undefined)(
    `keeps another key of a repeated token where the later of equals wins, in that row alone${needs}`,
    async () => {
      const { run: made, expected } = await layer(0, { keep: 5 });
      const rows = Array.from({ length: 26 }, (_, row) =>
        worst(made.output.subarray(row * 32, (row + 1) * 32), expected.subarray(row * 32, (row + 1) * 32)),
      );
      expect(rows.flatMap((difference, row) => (difference > 1e-6 ? [row] : []))).toEqual([13 + 8]);
    },
  );
});

describe('what does not fit is refused', () => {
  it.each([
    [{ keep: 0 }, 'dynamic mask: keep must be a whole number of at least 1, got 0'],
    [{ keep: 2.5 }, 'dynamic mask: keep must be a whole number of at least 1, got 2.5'],
    [{ keepFirst: -1 }, 'dynamic mask: keepFirst must be a whole number of at least 0, got -1'],
    [{ block: 1 }, 'dynamic mask: block must be a whole number of at least 2, got 1'],
    [{ mask: 'sign' }, "dynamic mask: mask 'sign' needs form 'log', got form 'exp'"],
  ] as const)('%j', (options, message) => {
    expect(() => dynamicMaskAttention(options as DynamicMaskOptions)).toThrow(message);
  });
});
