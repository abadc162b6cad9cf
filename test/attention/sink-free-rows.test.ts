import { describe, expect, it } from 'vitest';
import { headSliceGate } from '../../src/attention/gates/head-slice-gate.ts';
import type { Mechanism } from '../../src/attention/mechanism.ts';
import { clippedSoftmax } from '../../src/attention/normalisers/clipped-softmax.ts';
import { keyBias, valueBias } from '../../src/attention/normalisers/key-bias.ts';
import { pointwise } from '../../src/attention/normalisers/pointwise.ts';
import { normalisedSigmoid, sigmoidAttention } from '../../src/attention/normalisers/sigmoid.ts';
import { sinkLogit, softmaxOne } from '../../src/attention/normalisers/sink-logit.ts';
import { softpick } from '../../src/attention/normalisers/softpick.ts';
import { wholeText } from '../../src/attention/places.ts';
import { constant } from '../../src/tensor/index.ts';
import { inner, type NaiveMechanism } from './naive/one-text.ts';
import * as naive from './naive/sink-free-softmax.ts';
import { apart, graphAndLoops } from './sink-free-support.ts';
import { runLayer, smallSizes, someStream, worst } from './support.ts';

const { H, D, M } = smallSizes;
const x = someStream(2, 9);

/** Every mechanism with its definition in loops. */
const cases: readonly (readonly [Mechanism, (tensor: (end: string) => Float32Array) => NaiveMechanism])[] = [
  [softmaxOne(), () => ({ row: ({ scores }) => naive.withNullColumn(scores, 0) })],
  [sinkLogit(), (w) => ({ row: ({ scores, head }) => naive.withNullColumn(scores, w('sinks')[head]!) })],
  [keyBias(), (w) => nullKey(w, D, false)],
  [keyBias({ shared: true }), (w) => nullKey(w, D, true)],
  [keyBias({ learned: 3 }), (w) => nullKey(w, 3, false)],
  [keyBias({ value: 'learned' }), (w) => nullKey(w, D, false, (head) => vectorOf(w('v_bias'), head))],
  [keyBias({ value: 'learned', shared: true }), (w) => nullKey(w, D, true, () => vectorOf(w('v_bias'), 0))],
  [
    keyBias({ value: { along: 'first', norm: 5 } }),
    (w) => nullKey(w, D, false, () => Array.from({ length: D }, (_, d) => (d === 0 ? 5 : 0))),
  ],
  [
    keyBias({ value: { along: 'all', norm: 5 } }),
    (w) => nullKey(w, D, false, () => Array.from({ length: D }, () => 5 / Math.sqrt(D))),
  ],
  [valueBias(), (w) => ({ row: plainRow, added: (head) => vectorOf(w('v_bias'), head) })],
  [valueBias({ shared: true }), (w) => ({ row: plainRow, added: () => vectorOf(w('v_bias'), 0) })],
  [softpick(), () => ({ row: ({ scores }) => ({ weights: naive.softpickOf(scores) }) })],
  [sigmoidAttention(), () => ({ row: ({ scores }) => ({ weights: naive.sigmoidOf(scores, -Math.log(16)) }) })],
  [
    sigmoidAttention({ bias: 0.5, temperature: -0.7 }),
    () => ({ row: ({ scores }) => ({ weights: naive.sigmoidOf(scores, 0.5, -0.7) }) }),
  ],
  [normalisedSigmoid(), () => ({ row: ({ scores }) => ({ weights: naive.normalisedSigmoidOf(scores) }) })],
  ...(Object.keys(naive.functions) as (keyof typeof naive.functions)[]).map(
    (kernel) => [pointwise({ kernel }), () => pointwiseRows(kernel, () => 16)] as const,
  ),
  [pointwise({ kernel: 'eluPlusOne', exponent: 0 }), () => pointwiseRows('eluPlusOne', () => 1)],
  [pointwise({ kernel: 'relu', exponent: 0.5 }), () => pointwiseRows('relu', () => 4)],
  [pointwise({ kernel: 'relu2', count: 'visible' }), () => pointwiseRows('relu2', (keys) => keys)],
  [clippedSoftmax({ alpha: 2 }), () => ({ row: ({ scores }) => ({ weights: naive.clippedOf(scores, -2 / 16) }) })],
  [
    clippedSoftmax({ gamma: -0.05, zeta: 1.3 }),
    () => ({ row: ({ scores }) => ({ weights: naive.clippedOf(scores, -0.05, 1.3) }) }),
  ],
  [
    headSliceGate(),
    (w) => ({
      row: plainRow,
      gate: (xs, t, head) => naive.sliceGate(xs[t]!, head, H, w('alpha.weight'), w('alpha.bias')),
    }),
  ],
  [
    headSliceGate({ fineTuning: true, open: 0.5 }),
    (w) => ({
      row: plainRow,
      gate: (xs, t, head) => 2 * naive.sliceGate(xs[t]!, head, H, w('alpha.weight'), w('alpha.bias')),
    }),
  ],
  [
    headSliceGate({ from: 'slice mlp' }),
    (w) => ({
      row: plainRow,
      // One hidden unit a head.
      gate(xs, t, head) {
        const unit = Math.max(0, naive.sliceLogit(xs[t]!, head, H, w('alpha.0.weight'), w('alpha.0.bias')));
        return naive.logistic(w('alpha.2.weight')[head]! * unit + w('alpha.2.bias')[head]!);
      },
    }),
  ],
  [
    headSliceGate({ from: 'all features' }),
    (w) => ({
      row: plainRow,
      gate: (xs, t, head) =>
        naive.logistic(inner(xs[t]!, [...w('alpha.weight').slice(head * M, (head + 1) * M)]) + w('alpha.bias')[head]!),
    }),
  ],
  [
    headSliceGate({ from: 'head' }),
    (w) => ({ row: plainRow, gate: (_, __, head) => naive.logistic(w('alpha')[head]!) }),
  ],
  [
    headSliceGate({ from: 'slice, mean so far' }),
    (w) => ({
      row: plainRow,
      gate(xs, t, head) {
        let sum = 0;
        for (let i = 0; i <= t; i++) sum += naive.sliceLogit(xs[i]!, head, H, w('alpha.weight'), w('alpha.bias'));
        return naive.logistic(sum / (t + 1));
      },
    }),
  ],
];

describe('the graph is what the loops define', () => {
  it.each(cases.map(([mechanism, loops]) => [mechanism.name, mechanism, loops] as const))(
    '%s',
    async (_, mechanism, definition) => {
      for (const site of [{}, { window: 3, position: {} }]) {
        const { graph, loops } = await graphAndLoops(mechanism, definition, { site });
        expect(apart(graph.output, loops.output)).toBeLessThan(1e-5);
        expect(apart(graph.pattern, loops.pattern)).toBeLessThan(1e-5);
        if (graph.sink) expect(worst(graph.sink, loops.sink)).toBeLessThan(1e-5);
        else expect(loops.sink.every((mass) => mass === 0)).toBe(true);
      }
    },
  );
});

describe('masked keys', () => {
  it.each(cases.map(([mechanism]) => [mechanism.name, mechanism] as const))(
    '%s: keys that a query may not see change none of its weights',
    async (_, mechanism) => {
      const hooks = ['attn.hook_pattern'] as const;
      const [long, short] = await Promise.all([
        runLayer(mechanism, x, { hooks }),
        runLayer(
          mechanism,
          x.map((text) => text.slice(0, 5)),
          { hooks },
        ),
      ]);
      const rows = (run: typeof long, T: number) =>
        Array.from({ length: 2 * H * 5 }, (_, row) => {
          const first = (Math.floor(row / 5) * T + (row % 5)) * T;
          return [...(run.hooks.get('attn.hook_pattern')!.data as Float32Array).slice(first, first + 5)];
        }).flat();
      expect(worst(rows(long, 9), rows(short, 5))).toBeLessThan(1e-6);
    },
  );

  const twoMasked = (T: number) => ({
    ...wholeText(T),
    keyIsReal: constant([1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1], { B: 2, S: 9 }, 'bool'),
  });
  it.each([
    ['padding', twoMasked, {}],
    ['a prefix that all see', (T: number) => ({ ...wholeText(T), prefix: 3 }), {}],
    ['a window', wholeText, { window: 4 }],
  ] as const)('the fused null column is the watched one with %s', async (_, places, site) => {
    for (const mechanism of [softmaxOne(), sinkLogit(), keyBias(), keyBias({ value: 'learned' }), valueBias()]) {
      const watched = await runLayer(mechanism, x, { places, site });
      const fast = await runLayer(mechanism, x, { places, site, watched: false });
      expect(worst(fast.output, watched.output), mechanism.name).toBeLessThan(5e-6);
    }
  });

  it('ReLU attention by the keys seen counts them without padding', async () => {
    const hooks = ['attn.hook_pattern', 'attn.hook_attn_scores'] as const;
    const run = await runLayer(pointwise({ kernel: 'relu', count: 'visible' }), x, { places: twoMasked, hooks });
    const [rows, scores] = hooks.map((name) => [...(run.hooks.get(name)!.data as Float32Array)]);
    // Second text, last query of the first head: seven of nine keys are real.
    const last = (values: readonly number[]) => values.slice((H * 9 + 8) * 9, (H * 9 + 9) * 9);
    const expected = last(scores!).map((s, j) => (j < 2 ? 0 : Math.max(s, 0) / 7));
    expect(worst(last(rows!), expected)).toBeLessThan(1e-6);
  });
});

const plainRow: NaiveMechanism['row'] = ({ scores }) => ({ weights: naive.softmaxOf(scores) });
const vectorOf = (values: Float32Array, head: number) => [...values.slice(head * D, (head + 1) * D)];

/** A null key, its first `width` components stored for each head or once. */
function nullKey(
  w: (end: string) => Float32Array,
  width: number,
  shared: boolean,
  value?: (head: number) => readonly number[],
): NaiveMechanism {
  return {
    row({ scores, head, q }) {
      const first = shared ? 0 : head * width;
      const key = [...w('k_bias').slice(first, first + width), ...new Array<number>(D - width).fill(0)];
      const weighed = naive.withNullColumn(scores, inner(q, key) / Math.sqrt(D));
      return value ? { ...weighed, value: value(head) } : weighed;
    },
  };
}

function pointwiseRows(kernel: keyof typeof naive.functions, divisor: (keys: number) => number): NaiveMechanism {
  return {
    row: ({ scores }) => ({ weights: scores.map((s) => naive.functions[kernel](s) / divisor(scores.length)) }),
  };
}
