import { describe, expect, it } from 'vitest';
import type { Mechanism } from '../../src/attention/mechanism.ts';
import { type RcmhaOptions, rcmha, rcmhaWithMemory } from '../../src/attention/mechanisms/rcmha.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { type Places, wholeText } from '../../src/attention/places.ts';
import { lookedUpTerms, shiftedTerms } from '../../src/attention/positions/relative-terms.ts';
import { nextMemory } from '../../src/attention/recurrent/segment-memory.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import {
  add,
  constant,
  input,
  iota,
  lower,
  type Output,
  sizes as sizesOf,
  type Tensor,
} from '../../src/tensor/index.ts';
import type { NaiveWeights } from './naive/heads.ts';
import { naiveRcmha } from './naive/rcmha.ts';
import { type LayerRun, type RunOptions, runLayer, siteOf, smallSizes, someStream, worst } from './support.ts';

const T = 9;
const { H, G, D, M } = smallSizes;
const x = someStream(1, T);
/** The tables reach the context of the site, 16. */
const small = { reach: 'context' } as const;

const named = ({ weights }: LayerRun): NaiveWeights =>
  Object.fromEntries([...weights].map(([name, values]) => [/self_attn\.(.+)$/.exec(name)![1]!, values]));
const run = (options: RcmhaOptions = small, given: RunOptions = {}, text = x) => runLayer(rcmha(options), text, given);

type Text = number[][];
const asMemory = (text: Text) => constant(text.flat(), { B: 1, S: text.length, M });

/** The layer over a segment after a memory. */
function remembering(
  memory: Text,
  beforeQueries: 'zeros' | 'memory' = 'zeros',
  options: RcmhaOptions = small,
): Mechanism {
  return {
    ...rcmha(options),
    attention: (site) => rcmhaWithMemory(site, { stream: asMemory(memory), beforeQueries }, options),
  };
}

async function evaluate(
  values: Readonly<Record<string, Output>>,
  feeds: Record<string, Float32Array<ArrayBuffer>> = {},
) {
  await using runtime = nodeRuntime({ threads: 1 });
  const program = await runtime.compile(lower(values, { weights: 'inputs' }));
  const fed = program.graph.inputs.map(({ name }) => {
    const data = feeds[name]!;
    return [name, { type: 'float32' as const, shape: [1, data.length, 1, 1, 1], data }];
  });
  const made = await program.run(Object.fromEntries(fed));
  return Object.fromEntries(Object.entries(made).map(([name, { data }]) => [name, [...(data as Float32Array)]]));
}

describe('RCMHA and its arms are what their loops say', () => {
  it.each<[string, RcmhaOptions, object]>([
    ['RCMHA', small, { P: 16 }],
    ['RCMHA with a reach beyond the context', { reach: 21 }, { P: 21 }],
    ['filters of their own for each head', { ...small, convolution: 'separate' }, { P: 16, convolution: 'separate' }],
    ['five taps', { ...small, taps: 5 }, { P: 16, taps: 5 }],
    ['RMHA: relative alone', { ...small, convolution: 'none' }, { P: 16, convolution: 'none' }],
    ['MDHA: convolution alone', { positions: 'model' }, { relative: false }],
    ['MHA', { positions: 'model', convolution: 'none' }, { relative: false, convolution: 'none' }],
  ])('%s', async (_, options, naive) => {
    for (const watched of [true, false]) {
      const made = await run(options, { site: { position: {} }, hooks: ['attn.hook_pattern'], watched });
      const expected = naiveRcmha(x[0]!, named(made), smallSizes, naive);
      expect(worst(made.output, expected.output.flat())).toBeLessThan(1e-5);
      if (watched)
        expect(worst(made.hooks.get('attn.hook_pattern')!.data as Float32Array, expected.pattern.flat(2))).toBeLessThan(
          1e-5,
        );
    }
  });

  it('learned positions: the table is added to what the layer is given', async () => {
    const made = await run({ positions: 'learned', convolution: 'none' });
    const table = named(made).position_embeddings!;
    expect(table.length).toBe(16 * M);
    const placed = x[0]!.map((row, t) => row.map((one, m) => one + table[t * M + m]!));
    const expected = naiveRcmha(placed, named(made), smallSizes, { relative: false, convolution: 'none' });
    expect(worst(made.output, expected.output.flat())).toBeLessThan(1e-5);
  });
});

describe('limits (check 1)', () => {
  const none = new Float32Array(D);
  const current = Float32Array.from({ length: D * 3 }, (_, i) => (i % 3 === 2 ? 1 : 0));
  const silent = {
    ...Object.fromEntries(
      ['q', 'k', 'v'].flatMap((one) => [
        [`${one}_conv.weight`, current],
        [`${one}_conv.bias`, none],
      ]),
    ),
    'v_proj.bias': new Float32Array(G * D),
    'o_proj.bias': new Float32Array(M),
  };
  const plain = () => runLayer(softmaxAttention(), x, { site: { position: {} } });

  it('filters that hand on the current token, and tables as they start, of zeros: softmax attention', async () => {
    const initial = rcmha(small).initial!;
    const zeros = (name: string, length: number) => initial(`layers.0.self_attn.${name}`, [length], () => 1)!;
    const tables = {
      key_pos_embeddings: zeros('key_pos_embeddings', 32 * H * D),
      key_pos_bias: zeros('key_pos_bias', 32 * H),
      query_pos_bias: zeros('query_pos_bias', H * D),
    };
    const made = await run(small, { weights: { ...silent, ...tables } });
    expect(worst(made.output, (await plain()).output)).toBeLessThan(1e-6);
  });

  it('without convolution and positions it is softmax attention', async () => {
    const biases = { 'v_proj.bias': silent['v_proj.bias'], 'o_proj.bias': silent['o_proj.bias'] };
    const made = await run({ positions: 'model', convolution: 'none' }, { site: { position: {} }, weights: biases });
    expect(worst(made.output, (await plain()).output)).toBeLessThan(1e-6);
  });

  it('filters of three taps whose past ones are 0 are those of one tap', async () => {
    const one = await run({ ...small, taps: 1 });
    const frozen = Object.fromEntries(
      ['q', 'k', 'v'].map((name) => {
        const own = named(one)[`${name}_conv.weight`]!;
        return [
          `${name}_conv.weight`,
          Float32Array.from({ length: D * 3 }, (_, i) => (i % 3 === 2 ? own[Math.floor(i / 3)]! : 0)),
        ];
      }),
    );
    expect(worst((await run(small, { weights: frozen })).output, one.output)).toBeLessThan(1e-6);
  });
});

describe('relative terms (check 2)', () => {
  /** Three queries after a memory of two tokens, heads of one component, row r of the tables holds r. */
  const P = 6;
  const places: Places = { ...wholeText(5), queries: add(iota('T', 3), 2) };
  const rows = Array.from({ length: 2 * P }, (_, i) => i);
  const q = constant([1, 1, 1], { B: 1, T: 3, G: 1, R: 1, D: 1 });
  const tables = {
    vectors: constant(rows, { row: 2 * P, G: 1, R: 1, D: 1 }),
    numbers: constant(
      rows.map((row) => 100 * row),
      { row: 2 * P, G: 1, R: 1 },
    ),
    P,
  };
  const order = ['B', 'G', 'R', 'T', 'S'];

  it('query i and key j read row P + (j − i), looked up or shifted', async () => {
    const { direct, shifted } = await evaluate({
      direct: { value: lookedUpTerms(q, places, tables), order },
      shifted: { value: shiftedTerms(q, places, tables), order },
    });
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 5; j++) {
        const row = P + (j - (i + 2));
        expect(direct![i * 5 + j]).toBe(101 * row);
        if (j <= i + 2) expect(shifted![i * 5 + j]).toBe(101 * row);
      }
  });

  it('both have the axes of scores', () => {
    for (const terms of [lookedUpTerms, shiftedTerms])
      expect([...sizesOf(terms(q, places, tables)).keys()].sort()).toEqual([...order].sort());
  });

  it('a text beyond the reach is refused, and fails when its length is only known when run', async () => {
    const long = wholeText(7);
    const queries = constant(new Array<number>(7).fill(1), { B: 1, T: 7, G: 1, R: 1, D: 1 });
    const unknown = input('q', { B: 1, T: 'T', G: 1, R: 1, D: 1 });
    for (const terms of [lookedUpTerms, shiftedTerms]) {
      expect(() => terms(queries, long, tables)).toThrow(
        'relative positions: the tables reach 6 tokens, the text has 7; give a larger reach, or shorter texts',
      );
      const value = terms(unknown, wholeText(unknown.node.size('T')), tables);
      const of = (length: number) => evaluate({ y: { value, order } }, { q: new Float32Array(length).fill(1) });
      expect((await of(6)).y![5 * 6]).toBe(101);
      for (const length of [7, 8, 13]) await expect(of(length)).rejects.toThrow('out of data bounds');
    }
  });
});

describe('distances alone matter (check 3)', () => {
  it('padding before the text changes nothing, whatever it holds', async () => {
    const before = 3;
    const padded = [[...someStream(1, before, M, 77)[0]!, ...x[0]!]];
    const real = Array.from({ length: T + before }, (_, i) => (i < before ? 0 : 1));
    const places = (length: number): Places => ({
      ...wholeText(length),
      keyIsReal: constant(real, { B: 1, S: length }, 'bool'),
    });
    for (const watched of [true, false]) {
      const made = await run(small, { places, watched }, padded);
      expect(worst(made.output.subarray(before * M), (await run()).output)).toBeLessThan(2e-6);
    }
  });
});

describe('segments with a memory (checks 5 and 6)', () => {
  const [first, second] = [x[0]!.slice(0, 4), x[0]!.slice(4)];
  const rowsOf = (output: Float32Array, from: number, to: number) => output.subarray(from * M, to * M);

  it.each(['zeros', 'memory'] as const)(
    'it is what its loops say, the convolution of the queries starting from %s',
    async (beforeQueries) => {
      for (const watched of [true, false]) {
        const made = await runLayer(remembering(first, beforeQueries), [second], { watched });
        const naive = naiveRcmha(second, named(made), smallSizes, {
          ...{ P: 16, memory: first, queriesSeeMemory: beforeQueries === 'memory' },
        });
        expect(worst(made.output, naive.output.flat())).toBeLessThan(1e-5);
      }
    },
  );

  it('after the whole first segment, with queries that see its end, a layer gives what it gives unsplit', async () => {
    const whole = (await run()).output;
    const split = (await runLayer(remembering(first, 'memory'), [second])).output;
    expect(worst(split, rowsOf(whole, 4, T))).toBeLessThan(2e-6);
  });

  it('with queries that start from zeros, as published, only the first two tokens differ', async () => {
    const whole = (await run()).output;
    const split = (await runLayer(remembering(first), [second])).output;
    expect(worst(rowsOf(split, 0, 1), rowsOf(whole, 4, 5))).toBeGreaterThan(1e-3);
    expect(worst(rowsOf(split, 1, 2), rowsOf(whole, 5, 6))).toBeGreaterThan(1e-3);
    expect(worst(rowsOf(split, 2, 5), rowsOf(whole, 6, T))).toBeLessThan(2e-6);
  });

  it('a token changes no output before it; the memory changes outputs', async () => {
    const changed = (text: Text, at: number) => text.map((row, t) => (t === at ? row.map((one) => one + 1) : row));
    const plain = (await runLayer(remembering(first), [second])).output;
    const later = (await runLayer(remembering(first), [changed(second, 2)])).output;
    const earlier = (await runLayer(remembering(changed(first, 1)), [second])).output;
    expect(worst(rowsOf(later, 0, 2), rowsOf(plain, 0, 2))).toBe(0);
    expect(worst(rowsOf(later, 2, 3), rowsOf(plain, 2, 3))).toBeGreaterThan(1e-3);
    expect(worst(rowsOf(earlier, 0, 1), rowsOf(plain, 0, 1))).toBeGreaterThan(1e-4);
  });

  it('the next memory holds the last inputs, those of the memory before included', async () => {
    const inputs = (text: Text) => constant(text.flat(), { B: 1, T: text.length, M });
    const order = ['B', 'S', 'M'];
    const { short, joined } = await evaluate({
      short: { value: nextMemory(undefined, inputs(first), 6), order },
      joined: { value: nextMemory(asMemory(first), inputs(second), 6), order },
    });
    expect(short).toEqual([...Float32Array.from(first.flat())]);
    expect(joined).toEqual([...Float32Array.from(x[0]!.slice(3).flat())]);
  });

  it('a memory shorter than what queries look back is refused, and so is padding', async () => {
    await expect(runLayer(remembering(first.slice(0, 1), 'memory'), [second])).rejects.toThrow(
      'relative convolutional attention: the convolution of the queries looks back 2 tokens, expected a memory of at least as many, got 1',
    );
    const places = (length: number): Places => ({
      ...wholeText(length),
      keyIsReal: constant(new Array<number>(length).fill(1), { B: 1, S: length }, 'bool'),
    });
    await expect(runLayer(remembering(first), [second], { places })).rejects.toThrow(
      'segment memory: expected segments without padding and prefix, got some that have them',
    );
  });
});

describe('options out of range', () => {
  it.each([
    [{ taps: 0 }, 'rcmha: taps must be a whole number of at least 1, got 0'],
    [{ reach: 2.5 }, "rcmha: reach must be a whole number of at least 1 or 'context', got 2.5"],
    [
      { reach: 8 },
      'relative convolutional attention: the tables reach 8 tokens, the model is trained on 16; give a larger reach',
    ],
  ])('%o is refused', (options, message) => {
    expect(() => rcmha(options).attention(siteOf())).toThrow(message);
  });

  it('the published reach of 4096 makes tables of 8192 rows', () => {
    const layer = rcmha().attention(siteOf());
    const stream = input('x', { B: 1, T: 2, M });
    const free = Object.assign((_: string, value: unknown) => value, { watched: () => false }) as never;
    const kv = { k: input('k', { B: 1, S: 2, G, D }), v: input('v', { B: 1, S: 2, G, D }) };
    const seen = new Set([layer.attend(stream, kv, wholeText(2), free).node]);
    for (const node of seen) for (const next of node.inputs) seen.add(next);
    const table = [...seen].find((node) => `${node.attributes.name}`.endsWith('key_pos_embeddings'))!;
    expect(table.axes.get('row')!.constant).toBe(8192);
  });

  it('a part of the queries is refused where there is a convolution, and right where there is none', async () => {
    const places = (length: number): Places => ({
      ...wholeText(length),
      queries: add(iota('T', length), 0) as Tensor<'T'>,
    });
    await expect(run(small, { places })).rejects.toThrow(
      'relative convolutional attention: queries look at the tokens before them, so expected the whole text at once',
    );
    const alone = { ...small, convolution: 'none' } as const;
    expect(worst((await run(alone, { places })).output, (await run(alone)).output)).toBeLessThan(1e-6);
  });
});
