import { describe, expect, it } from 'vitest';
import { attentionIndicators, logitMagnitude } from '../../src/measure/attention-indicators.ts';
import { seededRandom } from '../../src/random.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { input, lower } from '../../src/tensor/index.ts';

type Rows = readonly (readonly number[])[];

/** Indicators of heads [H][T][T] by the graph, in the order of the paper. */
async function measured(heads: readonly Rows[]) {
  const [H, T] = [heads.length, heads[0]!.length];
  const pattern = input('pattern', { B: 1, G: H, R: 1, T, S: T });
  const { localFocus, ...rest } = attentionIndicators(pattern);
  const named = { ...rest, focus0: localFocus[0], focus1: localFocus[1], focus2: localFocus[2], focus3: localFocus[3] };
  const outputs = Object.fromEntries(
    Object.entries({ ...named, logits: logitMagnitude(pattern) }).map(([name, value]) => [name, { value }]),
  );
  await using runtime = nodeRuntime({ threads: 1 });
  const program = await runtime.compile(lower(outputs, { weights: 'inputs' }));
  const data = Float32Array.from(heads.flat(2));
  const made = await program.run({ pattern: { type: 'float32', shape: [1, H, 1, T, T], data } });
  return Object.fromEntries(Object.keys(outputs).map((name) => [name, Number(made[name]!.data[0])]));
}

/** The same in plain loops. */
function expected(heads: readonly Rows[]) {
  const [H, T] = [heads.length, heads[0]!.length];
  const overHeads = (of: (rows: Rows) => number) => heads.reduce((s, rows) => s + of(rows), 0) / H;
  const all = (rows: Rows, of: (a: number) => number) => rows.flat().reduce((s, a) => s + of(a), 0);
  let diversity = 0;
  for (let i = 0; i < T; i++)
    for (let j = 0; j <= i; j++) {
      const here = heads.map((rows) => rows[i]![j]!);
      const middle = here.reduce((a, b) => a + b, 0) / H;
      diversity += Math.sqrt(here.reduce((s, a) => s + (a - middle) ** 2, 0) / H);
    }
  const focus = (lag: number) => overHeads((rows) => rows.slice(lag).reduce((s, row, i) => s + row[i]!, 0) / (T - lag));
  return {
    entropy: overHeads((rows) => all(rows, (a) => (a > 0 ? -a * Math.log(a) : 0)) / T),
    concentration: overHeads((rows) => Math.sqrt(all(rows, (a) => a * a))),
    headDiversity: (2 * diversity) / (T * (T + 1)),
    sink: overHeads((rows) => rows.reduce((s, row) => s + row[0]!, 0) / T),
    ...{ focus0: focus(0), focus1: focus(1), focus2: focus(2), focus3: focus(3) },
    logits: Math.log(overHeads((rows) => all(rows, Math.abs) / ((T * (T + 1)) / 2))),
  };
}

const causal = (T: number, weight: (i: number, j: number) => number): Rows =>
  Array.from({ length: T }, (_, i) => {
    const row = Array.from({ length: T }, (__, j) => (j > i ? 0 : weight(i, j)));
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((a) => a / total);
  });

describe('the indicators of attention patterns', () => {
  it('of uniform attention are mean ln i, √Σ 1/i, 0 and means of 1/i', async () => {
    const T = 9;
    const found = await measured([causal(T, () => 1), causal(T, () => 1)]);
    const over = (of: (i: number) => number, from = 1) => {
      let total = 0;
      for (let i = from; i <= T; i++) total += of(i);
      return total;
    };
    const inverse = (i: number) => 1 / i;
    const wanted = {
      entropy: over(Math.log) / T,
      concentration: Math.sqrt(over(inverse)),
      headDiversity: 0,
      sink: over(inverse) / T,
      focus0: over(inverse) / T,
      focus1: over(inverse, 2) / (T - 1),
      focus2: over(inverse, 3) / (T - 2),
      focus3: over(inverse, 4) / (T - 3),
    };
    for (const [name, value] of Object.entries(wanted)) expect(found[name], name).toBeCloseTo(value, 5);
  });

  it('tell a head on the first key from a head on the key before', async () => {
    const first = causal(8, (_, j) => (j === 0 ? 1 : 0));
    const before = causal(8, (i, j) => (j === Math.max(i - 1, 0) ? 1 : 0));
    const [sink, local, both] = [await measured([first]), await measured([before]), await measured([first, before])];
    expect([sink.sink, sink.entropy, sink.headDiversity]).toEqual([1, 0, 0].map((value) => expect.closeTo(value, 6)));
    expect(sink.focus1).toBeCloseTo(1 / 7, 6);
    expect([local.sink, local.focus1, local.focus0]).toEqual(
      [2 / 8, 1, 1 / 8].map((value) => expect.closeTo(value, 6)),
    );
    // Rows 2 to 7 differ at two places each, by 1: a deviation of 1/2 there.
    expect(both.headDiversity).toBeCloseTo((6 * 2 * 0.5) / 36, 6);
  });

  it('are what plain loops give', async () => {
    const random = seededRandom(4);
    const heads = [1, 2, 3].map(() => causal(13, () => random() ** 3));
    const [found, wanted] = [await measured(heads), expected(heads)];
    for (const [name, value] of Object.entries(wanted)) expect(found[name], name).toBeCloseTo(value, 5);
  });
});
