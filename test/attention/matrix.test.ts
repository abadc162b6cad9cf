import { describe, expect, it } from 'vitest';
import { cachedDecoding, type DecodingState } from '../../src/attention/decoding.ts';
import type { AttentionTap } from '../../src/attention/layer.ts';
import type { Mechanism } from '../../src/attention/mechanism.ts';
import { wholeText } from '../../src/attention/places.ts';
import { mechanismFiles } from '../../src/attention/registry.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import {
  add,
  Dim,
  gradients,
  input,
  lower,
  multiply,
  type Output,
  rename,
  sum,
  type Tensor,
} from '../../src/tensor/index.ts';
import { runLayer, siteOf, smallSizes, someStream, weightNodes, weightsFor, worst } from './support.ts';

const T = 9;
const { H, M } = smallSizes;
const free = ((_: string, value: unknown) => value) as unknown as AttentionTap;
free.watched = () => true;

const but = (reason: string | undefined) => (reason === undefined ? '' : `: not here, ${reason}`);

/** Every variant of every mechanism, once. */
const variants = mechanismFiles.flatMap((file) =>
  file.variants.map(({ mechanism, except = {} }) => {
    const made = mechanism();
    return [`${file.card}, ${made.name}`, made, except] as const;
  }),
);

describe('names', () => {
  it('no two mechanisms have one name', () => {
    const names = variants.map(([, { name }]) => name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });
});

describe.each(variants)('%s', (_, mechanism, except) => {
  const x = someStream(2, T);

  it.skipIf(except.causality !== undefined)(`an output depends on no later token${but(except.causality)}`, async () => {
    const changed = x.map((text) => text.map((row, t) => (t === 5 ? row.map((value) => -2 * value + 1) : row)));
    const [before, after] = [await runLayer(mechanism, x), await runLayer(mechanism, changed)];
    for (let b = 0; b < 2; b++) {
      const rows = (run: typeof before, from: number, to: number) =>
        run.output.subarray((b * T + from) * M, (b * T + to) * M);
      expect(worst(rows(before, 0, 5), rows(after, 0, 5))).toBe(0);
      expect(worst(rows(before, 5, T), rows(after, 5, T))).toBeGreaterThan(1e-4);
    }
  });

  it.skipIf(except.decoding !== undefined)(
    `token by token gives what the whole text gives${but(except.decoding)}`,
    async () => {
      const whole = await runLayer(mechanism, x);
      expect(worst(await stepByStep(mechanism, x), whole.output)).toBeLessThan(2e-5);
    },
  );

  it('watched and unwatched are the same values', async () => {
    const [watched, fast] = [await runLayer(mechanism, x), await runLayer(mechanism, x, { watched: false })];
    expect(worst(fast.output, watched.output)).toBeLessThan(1e-5);
  });

  it('rows of the pattern sum to what is said of them, and nothing lies on later keys', async () => {
    const { hooks } = await runLayer(mechanism, x, { hooks: ['attn.hook_pattern', 'attn.hook_sink'] });
    const pattern = hooks.get('attn.hook_pattern');
    expect(pattern === undefined).toBe(mechanism.rows === 'none');
    if (!pattern) return;
    const rows = pattern.data as Float32Array;
    const sink = hooks.get('attn.hook_sink')?.data as Float32Array | undefined;
    expect(rows.length).toBe(2 * H * T * T);
    for (let row = 0; row < 2 * H * T; row++) {
      const query = row % T;
      const mine = rows.subarray(row * T, (row + 1) * T);
      expect(mine.subarray(query + 1).every((value) => value === 0)).toBe(true);
      const total = mine.reduce((a, b) => a + b, 0);
      if (mechanism.rows === 'one') expect(Math.abs(total - 1)).toBeLessThan(1e-5);
      if (mechanism.rows === 'part') {
        expect(total).toBeLessThan(1 + 1e-5);
        expect(Math.min(...mine)).toBeGreaterThanOrEqual(0);
        if (sink) expect(Math.abs(total + sink[row]! - 1)).toBeLessThan(1e-5);
      }
    }
  });

  it.skipIf(except.gradient !== undefined)(`gradients are those of finite differences${but(except.gradient)}`, () =>
    gradientsAgree(mechanism),
  );
});

/** The outputs of a text fed one token after another. */
async function stepByStep(mechanism: Mechanism, x: readonly (readonly (readonly number[])[])[]): Promise<Float32Array> {
  const site = siteOf();
  const decoding = mechanism.decoding?.(site) ?? cachedDecoding(mechanism.attention(site), site.sizes);
  await using runtime = nodeRuntime({ threads: 1 });
  const all = new Float32Array(x.length * T * M);
  let state: Record<string, Float32Array> = {};
  for (let t = 0; t < T; t++) {
    const past = { size: Dim.of(t), index: input('past', {}, 'int64') };
    const axes = Object.entries(decoding.state(past.size)).map(
      ([name, sizes]) =>
        [
          name,
          Object.fromEntries(Object.entries(sizes).map(([axis, size]) => [axis, axis === 'B' ? x.length : size])),
        ] as const,
    );
    const given = Object.fromEntries(axes.map(([name, sizes]) => [name, input(`state.${name}`, sizes as never)]));
    const stream = input('x', { B: x.length, T: 1, M });
    const { output, state: next } = decoding.step(stream, given as DecodingState, past, free);
    const order = Object.fromEntries(axes.map(([name, sizes]) => [name, Object.keys(sizes)]));
    const outputs: Record<string, Output> = { output: { value: output, order: ['B', 'T', 'M'] } };
    for (const [name, value] of Object.entries(next)) outputs[`next.${name}`] = { value, order: order[name]! };
    const program = await runtime.compile(lower(outputs, { weights: 'inputs' }));
    const weights = weightsFor([output.node]);
    const made = await program.run({
      ...fed(program.graph.weights, weights),
      ...Object.fromEntries(
        program.graph.inputs
          .filter(({ name }) => name.startsWith('state.'))
          .map(({ name, axes: sizes }) => {
            const shape = [...sizes.values()].map((size) => size.evaluate({}));
            const length = shape.reduce((a, b) => a * b, 1);
            return [name, { type: 'float32' as const, shape, data: state[name.slice(6)] ?? new Float32Array(length) }];
          }),
      ),
      ...(program.graph.inputs.some(({ name }) => name === 'past')
        ? { past: { type: 'int64' as const, shape: [], data: BigInt64Array.of(BigInt(t)) } }
        : {}),
      x: { type: 'float32', shape: [x.length, 1, M], data: Float32Array.from(x.flatMap((text) => text[t]!)) },
    });
    state = Object.fromEntries(Object.keys(next).map((name) => [name, made[`next.${name}`]!.data as Float32Array]));
    const rows = made.output!.data as Float32Array;
    x.forEach((_, b) => {
      all.set(rows.subarray(b * M, (b + 1) * M), (b * T + t) * M);
    });
  }
  return all;
}

const fed = (
  inputs: readonly { readonly input: string; readonly weight: string; readonly shape: readonly number[] }[],
  values: ReadonlyMap<string, Float32Array>,
) =>
  Object.fromEntries(
    inputs.map(({ input: name, weight, shape }) => [
      name,
      { type: 'float32' as const, shape, data: values.get(weight)! },
    ]),
  );

/** Directional derivatives of a weighted sum of outputs along a random direction in all weights and in x, against central differences. */
async function gradientsAgree(mechanism: Mechanism): Promise<void> {
  const [B, length] = [1, 6];
  // Running means get no gradient.
  const buffers = new Set<string>();
  const site = siteOf({ training: { loss: () => {}, buffer: (name) => void buffers.add(name) } });
  const stream = input('x', { B, T: length, M });
  const layer = mechanism.attention(site);
  const places = wholeText(length);
  const output = layer.attend(stream, layer.keysAndValues(rename(stream, 'T', 'S'), places, free), places, free);
  const loss = sum(multiply(output, input('toward', { B, T: length, M })), ['B', 'T', 'M']) as Tensor<never>;
  const nodes = new Map([...weightNodes([output.node])].filter(([name]) => !buffers.has(name)));
  const wrt = [...nodes.values(), [stream as unknown as Tensor<string>]];
  const each = gradients(loss, wrt.flat()) as unknown as Tensor<string>[];
  let next = 0;
  const found = wrt.map((places) => places.map(() => each[next++]!).reduce((total, part) => add(total, part)));
  const outputs: Record<string, Output> = { loss: { value: loss } };
  const names = [...nodes.keys(), 'x'];
  names.forEach((name, i) => {
    outputs[`grad ${name}`] = { value: found[i]!, order: [...wrt[i]![0]!.node.axes.keys()] };
  });
  await using runtime = nodeRuntime({ threads: 1 });
  const program = await runtime.compile(lower(outputs, { weights: 'inputs' }));
  const base = weightsFor([output.node]);
  const text = Float32Array.from(someStream(B, length).flat(2));
  const toward = Float32Array.from(someStream(B, length, M, 8).flat(2));
  const shape = [B, length, M];
  const at = (weights: ReadonlyMap<string, Float32Array>, x: Float32Array) =>
    program.run({
      ...fed(program.graph.weights, weights),
      x: { type: 'float32', shape, data: x },
      toward: { type: 'float32', shape, data: toward },
    });
  const here = await at(base, text);
  for (const name of names) {
    const values = name === 'x' ? text : base.get(name)!;
    const direction = Float32Array.from(values, (_, i) => Math.sin(1 + 7.3 * i));
    const step = 2 ** -11;
    const moved = (sign: number) => values.map((value, i) => value + sign * step * direction[i]!);
    const lossAt = async (sign: number) => {
      const made = name === 'x' ? await at(base, moved(sign)) : await at(new Map(base).set(name, moved(sign)), text);
      return made.loss!.data[0] as number;
    };
    const difference = ((await lossAt(1)) - (await lossAt(-1))) / (2 * step);
    const gradient = here[`grad ${name}`]!.data as Float32Array;
    const slope = gradient.reduce((total, value, i) => total + value * direction[i]!, 0);
    const size = Math.max(1, Math.abs(slope), Math.abs(here.loss!.data[0] as number));
    expect(Math.abs(difference - slope) / size, `${name}: ${difference} beside ${slope}`).toBeLessThan(5e-3);
  }
}
