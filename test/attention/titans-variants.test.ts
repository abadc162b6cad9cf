import { describe, expect, it } from 'vitest';
import type { AttentionTap } from '../../src/attention/layer.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import {
  titansContext,
  titansGate,
  titansLayer,
  titansMemory,
  titansWindow,
} from '../../src/attention/mechanisms/titans.ts';
import { wholeText } from '../../src/attention/places.ts';
import { memoryNetwork } from '../../src/attention/recurrent/memory-network.ts';
import { memorise } from '../../src/attention/recurrent/memory-recurrence.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { Dim, gradients, input, lower, multiply, rename, slice, sum, type Tensor } from '../../src/tensor/index.ts';
import * as naive from './naive/titans.ts';
import { runLayer, siteOf, smallSizes, someStream, worst } from './support.ts';
import { D, epsilon, flatOf, type Kind, loops, memoryOf, someTokens } from './titans-support.ts';

describe('variants beside the loops', () => {
  const { H, G, M } = smallSizes;
  const T = 9;
  const options = { chunk: 2, window: 4, persistent: 3 };
  const x = someStream(2, T);
  const setting: naive.TitansSetting = {
    ...{ G, R: H / G, D: smallSizes.D, M, chunk: 2, window: 4, layers: 2, maximumStep: 0.1, epsilon, base: 10_000 },
  };
  const storedIn =
    (weights: ReadonlyMap<string, ArrayLike<number>>): naive.Stored =>
    (end) => {
      const found = weights.get(`layers.0.${end}`) ?? [...weights].find(([name]) => name.endsWith(end))?.[1];
      if (!found) throw new Error(`no tensor ends with ${end}`);
      return found;
    };
  const frontOf = (stored: naive.Stored) =>
    Array.from({ length: options.persistent }, (_, p) =>
      Array.from({ length: M }, (_, i) => stored('persistent_memory')[p * M + i]!),
    );
  const compare = async (
    mechanism: ReturnType<typeof titansMemory>,
    loop: (stored: naive.Stored, text: number[][]) => number[][],
  ) => {
    const { output, weights } = await runLayer(mechanism, x);
    const wanted = x.flatMap((text) => loop(storedIn(weights), text).flat());
    expect(worst(output, wanted)).toBeLessThan(2e-5);
  };

  it.each([1, 2] as const)('the memory alone, L_M %i', (layers) =>
    compare(titansMemory({ chunk: 2, layers }), (stored, text) =>
      naive.memoryAlone(stored, text, { ...setting, layers }),
    ),
  );

  it('memory as gate: the memory has read the persistent tokens', () =>
    compare(titansGate(options), (stored, text) => {
      const front = frontOf(stored);
      const y = naive.windowAttention(stored, front, text, setting);
      const m = naive.memoryAlone(stored, [...front, ...text], setting).slice(front.length);
      return y.map((row, t) => naive.join(stored, row, m[t]!, epsilon));
    }));

  it('memory as layer: attention over what the memory gives, for persistent tokens too', () =>
    compare(titansLayer(options), (stored, text) => {
      const front = frontOf(stored);
      const m = naive.memoryAlone(stored, [...front, ...text], setting);
      return naive.windowAttention(stored, m.slice(0, front.length), m.slice(front.length), setting);
    }));

  it('memory as context, segments of 4 with chunks of 2 and of 3', async () => {
    for (const chunk of [2, 3])
      await compare(titansContext({ ...options, chunk }), (stored, text) =>
        naive.memoryAsContext(stored, frontOf(stored), text, { ...setting, chunk }),
      );
  });

  it('the window alone behind persistent tokens', () =>
    compare(titansWindow({ persistent: 3, window: 4 }), (stored, text) =>
      naive.windowAttention(stored, frontOf(stored), text, setting),
    ));

  it('memory as gate with the gate at one and no persistent tokens is window attention', async () => {
    const gate = await runLayer(titansGate({ window: 4, persistent: 0, gate: 'attention' }), x);
    const softmax = await runLayer(softmaxAttention(), x, { site: { window: 4 } });
    expect(worst(gate.output, softmax.output)).toBeLessThan(1e-6);
  });

  it('memory as context with the gate at one, nothing retrieved and no persistent tokens is attention inside each segment', async () => {
    const mechanism = titansContext({ window: 4, persistent: 0, retrieved: false, gate: 'attention' });
    const context = await runLayer(mechanism, x);
    for (const [from, to] of [
      [0, 4],
      [4, 8],
      [8, 9],
    ] as const) {
      const softmax = await runLayer(
        softmaxAttention(),
        x.map((text) => text.slice(from, to)),
      );
      for (const b of [0, 1]) {
        const rows = context.output.subarray((b * T + from) * M, (b * T + to) * M);
        const wanted = softmax.output.subarray(b * (to - from) * M, (b + 1) * (to - from) * M);
        expect(worst(rows, wanted)).toBeLessThan(2e-6);
      }
    }
  });

  it('without learning, what was read before leaves no trace but that of the convolutions', async () => {
    const changed = x.map((text) => text.map((row, t) => (t < 3 ? row.map((value) => -value) : row)));
    const trace = async (learning: boolean) => {
      const mechanism = titansMemory({ chunk: 1, learning, forgetting: false, taps: 1 });
      const [a, b] = [await runLayer(mechanism, x), await runLayer(mechanism, changed)];
      return worst(a.output.subarray(3 * M, T * M), b.output.subarray(3 * M, T * M));
    };
    expect(await trace(false)).toBe(0);
    expect(await trace(true)).toBeGreaterThan(1e-3);
  });
});

describe('controls', () => {
  const options = { chunk: 2, window: 4, taps: 1, persistent: 0 };

  it('set back before token 4, a memory gives for what follows what it gives for that as a text of its own', async () => {
    const x = someStream(2, 8);
    const tail = x.map((text) => text.slice(4));
    const whole = await runLayer(titansMemory({ chunk: 2, taps: 1, reset: 4 }), x);
    const alone = await runLayer(titansMemory({ chunk: 2, taps: 1 }), tail);
    const usual = await runLayer(titansMemory({ chunk: 2, taps: 1 }), x);
    const half = whole.output.length / 4;
    // [B, T, M], two texts.
    const of = (output: ArrayLike<number>, b: number, part: number) =>
      Array.from(output).slice((2 * b + part) * half, (2 * b + part + 1) * half);
    for (const b of [0, 1]) {
      expect(worst(of(whole.output, b, 0), of(usual.output, b, 0))).toBeLessThan(1e-6);
      expect(worst(of(whole.output, b, 1), Array.from(alone.output).slice(b * half, (b + 1) * half))).toBeLessThan(
        1e-5,
      );
      expect(worst(of(whole.output, b, 1), of(usual.output, b, 1))).toBeGreaterThan(1e-4);
    }
  });

  it('as context too: a segment after it is a text of its own', async () => {
    const x = someStream(1, 8);
    // Positions are relative inside a segment, so that it does not matter where it stands.
    const whole = await runLayer(titansContext({ ...options, reset: 4 }), x);
    const alone = await runLayer(
      titansContext(options),
      x.map((text) => text.slice(4)),
    );
    expect(worst(Array.from(whole.output).slice(whole.output.length / 2), Array.from(alone.output))).toBeLessThan(2e-5);
  });

  it('shuffled, every token but the first, which reads the first weights, gets something else', async () => {
    const x = someStream(1, 8);
    const run = async (control: object) => (await runLayer(titansMemory({ chunk: 2, taps: 1, ...control }), x)).output;
    const [usual, shuffled] = [await run({}), await run({ shuffled: true })];
    const row = usual.length / 8;
    // The first token reads M_0.
    expect(worst(Array.from(shuffled).slice(0, row), Array.from(usual).slice(0, row))).toBeLessThan(1e-6);
    expect(worst(Array.from(shuffled).slice(row), Array.from(usual).slice(row))).toBeGreaterThan(1e-4);
  });

  it('are refused one token at a time, and a reset inside a chunk at once', () => {
    const site = siteOf();
    const layer = titansMemory({ shuffled: true }).decoding!(site);
    const state = Object.fromEntries(
      Object.entries(layer.state(Dim.of('P'))).map(([name, axes]) => [name, input(name, axes as never)]),
    );
    const past = { size: Dim.of('P'), index: input('past', {}, 'int64') as Tensor<never> };
    const plain = ((_: string, value: unknown) => value) as unknown as AttentionTap;
    plain.watched = () => false;
    expect(() => layer.step(input('x', { B: 'B', T: 1, M: smallSizes.M }), state as never, past, plain)).toThrow(
      'titans: reset and shuffled are controls for whole texts, not for one token at a time',
    );
    expect(() => titansMemory({ chunk: 4, reset: 6 }).attention(site)).toThrow(
      'titans: reset must be a border of chunks of 4 tokens, got 6',
    );
  });
});

describe('outer gradient', () => {
  it('through two chunks is that of finite differences', async () => {
    const kind: Kind = { layers: 2, norm: true, residual: true };
    const [m, tokens] = [memoryOf(kind), someTokens(5)];
    const network = memoryNetwork({ G: 1, D }, epsilon, { expansion: 2 });
    const T = tokens.length;
    const weights = Object.fromEntries(
      Object.entries(network.shapes).map(([part, axes]) => [part, input(part, axes as never) as Tensor<string>]),
    );
    const rows = { k: input('k', { B: 1, T, G: 1, D }), v: input('v', { B: 1, T, G: 1, D }) };
    const gates = {
      ...{ theta: input('theta', { B: 1, T, G: 1 }), eta: input('eta', { B: 1, T, G: 1 }) },
      alpha: input('alpha', { B: 1, T, G: 1 }),
    };
    const q = input('q', { B: 1, T, G: 1, R: 1, D });
    const { reads } = memorise(network, { weights }, { q, ...rows, ...gates }, { chunk: 2, start: 0, length: T });
    // Only the last token: it reads after two chunks.
    const loss = sum(slice(multiply(reads, reads), 'T', T - 1, T), ['B', 'T', 'G', 'R', 'D']) as Tensor<never>;
    const wrt = { ...weights, ...rows, ...gates } as Record<string, Tensor<string>>;
    const names = Object.keys(wrt);
    const slopes = gradients(loss, Object.values(wrt)) as Tensor<string>[];
    const outputs = Object.fromEntries(
      names.map((name, i) => [`grad.${name}`, { value: slopes[i]!, order: [...wrt[name]!.node.axes.keys()] }]),
    );
    const values: Record<string, number[]> = {
      ...flatOf(m),
      ...{ q: tokens.flatMap((t) => t.q), k: tokens.flatMap((t) => t.k), v: tokens.flatMap((t) => t.v) },
      ...{ theta: tokens.map((t) => t.theta), eta: tokens.map((t) => t.eta!), alpha: tokens.map((t) => t.alpha!) },
    };
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(lower(outputs, { weights: 'inputs' }));
    const found = await program.run(
      Object.fromEntries(
        program.graph.inputs.map(({ name, axes }) => [
          name,
          {
            type: 'float32' as const,
            shape: [...axes.values()].map((size) => size.evaluate({})),
            data: Float32Array.from(values[name]!),
          },
        ]),
      ),
    );
    const lossAt = (given: Record<string, number[]>) => {
      const cut = (all: number[], t: number) => all.slice(t * D, (t + 1) * D);
      const grid = (all: number[], width: number) =>
        Array.from({ length: all.length / width }, (_, i) => all.slice(i * width, (i + 1) * width));
      const memory = { W_1: grid(given.W_1!, 2 * D), W_2: grid(given.W_2!, D), gamma: given.gamma! };
      const moved = tokens.map((_, t) => ({
        ...{ k: cut(given.k!, t), v: cut(given.v!, t), q: cut(given.q!, t) },
        ...{ theta: given.theta![t]!, eta: given.eta![t]!, alpha: given.alpha![t]! },
      }));
      const last = loops(kind, memory, moved, 2).reads.slice(-D);
      return last.reduce((total, value) => total + value * value, 0);
    };
    for (const name of names) {
      const got = found[`grad.${name}`]!.data as Float32Array;
      const wanted = values[name]!.map((_, i) => {
        const at = (step: number) =>
          lossAt({ ...values, [name]: values[name]!.map((v, j) => (i === j ? v + step : v)) });
        return (at(1e-5) - at(-1e-5)) / 2e-5;
      });
      expect(worst(got, wanted), name).toBeLessThan(5e-5);
      expect(Math.max(...got.map(Math.abs)), name).toBeGreaterThan(1e-4);
    }
  });
});

describe('what is refused', () => {
  const free = ((_: string, value: unknown) => value) as unknown as AttentionTap;
  free.watched = () => true;
  const attend = (
    mechanism: ReturnType<typeof titansMemory>,
    x: Tensor<'B' | 'T' | 'M'>,
    places: ReturnType<typeof wholeText>,
    hook = free,
  ) => {
    const layer = mechanism.attention(siteOf());
    return layer.attend(x, layer.keysAndValues(rename(x, 'T', 'S'), places, hook), places, hook);
  };
  const text = input('x', { B: 1, T: 6, M: smallSizes.M });

  it('a text of unknown length, by name', () => {
    const open = input('x', { B: 1, T: 'T', M: smallSizes.M });
    for (const mechanism of [titansMemory(), titansGate(), titansContext(), titansLayer()])
      expect(() => attend(mechanism, open, wholeText('T'))).toThrow(
        'titans: chunks of memory are unrolled, so expected a text of fixed length, got T = T; build the model for one length, or run it one token at a time through its decoding',
      );
  });

  it('padding, and a part of the queries', () => {
    const keyIsReal = input('real', { B: 1, S: 6 }, 'bool');
    expect(() => attend(titansMemory(), text, { ...wholeText(6), keyIsReal })).toThrow(
      'padding would be written into the memory',
    );
    const queries = slice(wholeText(12).queries, 'T', 6, 12);
    expect(() => attend(titansGate(), text, { ...wholeText(6), queries, queryPositions: queries })).toThrow(
      'expected the whole text at once',
    );
  });

  it('edits inside memory as context, of which the memory of later segments is made', () => {
    const editing = ((name: string, value: Tensor<'B'>) =>
      name === 'attn.hook_pattern' ? multiply(value, 0) : value) as unknown as AttentionTap;
    editing.watched = () => true;
    expect(() => attend(titansContext(), text, wholeText(6), editing)).toThrow(
      'titans: attn.hook_pattern cannot be edited in a whole text, for the memory of later segments is made of it; edit attn.hook_attn_scores or attn.hook_out, or run one token at a time',
    );
  });

  it('options out of range, with name and value', () => {
    const made = (options: object) => () => titansGate(options).attention(siteOf());
    expect(made({ chunk: 0 })).toThrow('titans: chunk must be a whole number of at least 1, got 0');
    expect(made({ persistent: -1 })).toThrow('titans: persistent must be a whole number of at least 0, got -1');
    expect(made({ window: 2.5 })).toThrow('titans: window must be a whole number of at least 1, got 2.5');
    expect(made({ layers: 3 })).toThrow('titans: layers must be 1 or 2, got 3');
    expect(made({ maximumStep: 0 })).toThrow('titans: maximumStep must be above 0, got 0');
    expect(made({ gate: 'x' })).toThrow('titans: gate must be one of normed, sigmoid, sum, attention, got "x"');
  });
});
