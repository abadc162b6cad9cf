import { afterAll, describe, expect, it } from 'vitest';
import type { Places } from '../../src/attention/places.ts';
import { wholeText } from '../../src/attention/places.ts';
import type { Decoder } from '../../src/models/decoder.ts';
import { logits } from '../../src/models/forward.ts';
import { createHooks } from '../../src/models/hooks.ts';
import { normal, seededRandom, seedFor } from '../../src/random.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { crossEntropy, gradients, input, iota, lower, mean, type Output, type Tensor } from '../../src/tensor/index.ts';
import {
  type DeconstructedOptions,
  deconstructedDecoder,
  withoutReplaced,
} from '../../src/train/deconstructed-decoder.ts';
import { languageModelTask } from '../../src/train/language-model.ts';
import { smallDecoder } from '../../src/train/small-decoder.ts';
import { weightNodes, worst } from '../attention/support.ts';
import { naiveDecoder } from './naive/deconstructed-decoder.ts';

const sizes = { L: 3, H: 2, G: 1, M: 8, F: 12, V: 7 };
const T = 9;
const base = { sizes, context: 12 };
const fixedText = [1, 5, 2, 2, 0, 6, 3, 4, 1, 0, 5, 3];
const text = [3, 3, 6, 0, 2, 4, 1, 5, 3];
const other = [5, 0, 1, 1, 6, 2, 2, 4, 0];
const make = (maps: DeconstructedOptions['maps'], more: Partial<DeconstructedOptions> = {}) =>
  deconstructedDecoder({ ...base, maps, ...more });
const fixed = { ids: fixedText };

const randomWeight = (name: string, length: number) => {
  const draw = normal(seededRandom(seedFor(2, name)));
  const mean = /norm/.test(name) ? 1 : 0;
  return Float32Array.from({ length }, () => mean + 0.4 * draw());
};

interface Run {
  readonly logits: Float32Array;
  /** By layer, [H, T, S]. */
  readonly patterns: readonly Float32Array[];
  readonly weights: Record<string, Float32Array>;
  readonly gradients: Readonly<Record<string, Float32Array>>;
  readonly loss: number;
}

const runtime = nodeRuntime({ threads: 1 });
afterAll(() => runtime[Symbol.asyncDispose]());

/** One program for a decoder, with gradients by named tensors. */
async function compile(decoder: Decoder, differentiate: readonly string[] = []) {
  const ids = input('ids', { B: 1, T }, 'int64');
  const patterns: Record<string, Output> = {};
  const hooks = createHooks({
    watched: true,
    reads: (name) => name.endsWith('attn.hook_pattern'),
    read: (_, value, { layer }) => {
      patterns[`pattern${layer}`] = { value };
    },
  });
  const made = logits(decoder, ids, wholeText(T), hooks);
  const loss = mean(crossEntropy(made, ids, 'V'), ['B', 'T']) as Tensor<never>;
  const nodes = weightNodes([loss.node]);
  // One tensor may stand in the graph several times: the streams share weights.
  const named = differentiate.map((name) => allOf(loss, name));
  const outputs: Record<string, Output> = { logits: { value: made, order: ['B', 'T', 'V'] }, loss: { value: loss } };
  gradients(loss, named.flat()).forEach((value, i) => {
    outputs[`gradient${i}`] = { value, order: [...value.node.axes.keys()] };
  });
  const program = await runtime.compile(lower({ ...outputs, ...patterns }, { weights: 'inputs' }));
  return async (tokens: readonly number[], change: Readonly<Record<string, Float32Array>> = {}): Promise<Run> => {
    const weights = Object.fromEntries(
      [...nodes].map(([name, [first]]) => {
        const { node } = first!;
        const length = [...node.axes.values()].reduce((n, size) => n * size.evaluate({}), 1);
        return [name, change[name] ?? randomWeight(name, length)];
      }),
    );
    const results = await program.run({
      ids: { type: 'int64', shape: [1, T], data: BigInt64Array.from(tokens.map(BigInt)) },
      ...Object.fromEntries(
        program.graph.weights.map(({ input: name, weight, shape }) => [
          name,
          { type: 'float32' as const, shape, data: weights[weight] as Float32Array<ArrayBuffer> },
        ]),
      ),
    });
    let next = 0;
    return {
      logits: results.logits!.data as Float32Array,
      loss: Number(results.loss!.data[0]),
      patterns: Object.keys(patterns)
        .sort()
        .map((name) => results[name]!.data as Float32Array),
      weights,
      gradients: Object.fromEntries(
        differentiate.map((name, i) => {
          const parts = named[i]!.map(() => results[`gradient${next++}`]!.data as Float32Array);
          return [name, parts.reduce((a, b) => a.map((value, at) => value + b[at]!))];
        }),
      ),
    };
  };
}

const run = async (decoder: Decoder, tokens: readonly number[], change: Readonly<Record<string, Float32Array>> = {}) =>
  (await compile(decoder))(tokens, change);

/** All nodes that stand for one stored tensor. */
function allOf(root: Tensor<never>, name: string): Tensor<string>[] {
  const seen = new Set([root.node]);
  for (const node of seen) for (const one of node.inputs) seen.add(one);
  const found = [...seen].filter((node) => node.operator.name === 'weight' && node.attributes.name === name);
  return found as unknown as Tensor<string>[];
}

const embeddingOf = (weights: Run['weights'], ids: readonly number[]) =>
  ids.map((id) => [...weights['model.embed_tokens.weight']!.subarray(id * sizes.M, (id + 1) * sizes.M)]);

describe('a decoder with maps from another stream', () => {
  it.each([
    ['embeddings', 'uniform'],
    ['embeddings', 'even'],
    ['random', 'uniform'],
    ['random', 'even'],
    [fixed, 'uniform'],
    [fixed, 'odd'],
  ] as const)('of %j under the plan %s is what plain loops give', async (maps, plan) => {
    const made = await run(make(maps, { plan }), text);
    const keeps = { uniform: [], even: [1], odd: [0, 2] }[plan] as readonly number[];
    const table = made.weights['model.embed_maps.weight'];
    const second =
      maps === 'embeddings'
        ? undefined
        : maps === 'random'
          ? text.map((_, t) => [...table!.subarray(t * sizes.M, (t + 1) * sizes.M)])
          : embeddingOf(made.weights, fixedText.slice(0, T));
    const expected = naiveDecoder(text, made.weights, {
      ...{ L: 3, H: 2, G: 1, D: 4, M: 8 },
      replaced: (layer) => !keeps.includes(layer),
      ...(second ? { second } : {}),
    });
    expect(worst(made.logits, expected.logits.flat())).toBeLessThan(2e-5);
    made.patterns.forEach((pattern, layer) => {
      expect(worst(pattern, expected.maps[layer]!.flat(2))).toBeLessThan(1e-5);
    });
    expect(made.patterns.length).toBe(3);
  });

  it('that is second has the same maps for every text, bit by bit; of embeddings or of standard layers it has not', async () => {
    const differences = async (decoder: Decoder) => {
      const program = await compile(decoder);
      const [one, two] = [await program(text), await program(other)];
      expect(worst(one.logits, two.logits)).toBeGreaterThan(0.1);
      return one.patterns.map((pattern, layer) => worst(pattern, two.patterns[layer]!));
    };
    expect(await differences(make('random'))).toEqual([0, 0, 0]);
    expect(await differences(make(fixed))).toEqual([0, 0, 0]);
    for (const decoder of [make('embeddings'), smallDecoder(base)])
      for (const difference of await differences(decoder)) expect(difference).toBeGreaterThan(0.01);
    // The layer that keeps attention under `even` follows its text.
    const [first, second, third] = await differences(make('random', { plan: 'even' }));
    expect([first, second! > 0.01, third]).toEqual([0, true, 0]);
  });

  it('of embeddings has one map in all layers where their matrices and norms are tied; standard layers have not', async () => {
    const tied: Record<string, Float32Array> = {};
    for (const name of ['self_attn.q_proj', 'self_attn.k_proj', 'input_layernorm'])
      for (let layer = 0; layer < sizes.L; layer++) {
        const length = name === 'self_attn.q_proj' ? 64 : name === 'self_attn.k_proj' ? 32 : 8;
        tied[`model.layers.${layer}.${name}.weight`] = randomWeight(name, length);
      }
    const { patterns } = await run(make('embeddings'), text, tied);
    expect([worst(patterns[0]!, patterns[1]!), worst(patterns[0]!, patterns[2]!)]).toEqual([0, 0]);
    const standard = await run(smallDecoder(base), text, tied);
    expect(worst(standard.patterns[0]!, standard.patterns[1]!)).toBeGreaterThan(0.01);
  });

  it('of embeddings is standard in its first layer and not in the next', async () => {
    const [made, standard] = [await run(make('embeddings'), text), await run(smallDecoder(base), text)];
    expect(worst(made.patterns[0]!, standard.patterns[0]!)).toBeLessThan(1e-6);
    expect(worst(made.patterns[1]!, standard.patterns[1]!)).toBeGreaterThan(0.01);
    const oneLayer = { sizes: { ...sizes, L: 1 } };
    const [alone, plain] = [
      await run(make('embeddings', oneLayer), text),
      await run(smallDecoder({ ...base, ...oneLayer }), text),
    ];
    expect(worst(alone.logits, plain.logits)).toBeLessThan(1e-6);
  });

  it('has the parameters of the standard decoder; the random table beside them is not trained', async () => {
    const names = ({ weights }: Run) =>
      Object.entries(weights)
        .map(([name, { length }]) => `${name} ${length}`)
        .sort();
    const standard = names(await run(smallDecoder(base), text));
    for (const maps of ['embeddings', fixed] as const) expect(names(await run(make(maps), text))).toEqual(standard);
    const buffers: string[] = [];
    const training = { loss: () => {}, buffer: (name: string) => void buffers.push(name) };
    const random = await (await compile(make('random', { training }), ['model.embed_maps.weight']))(text);
    expect(names(random)).toEqual([...standard, 'model.embed_maps.weight 96'].sort());
    expect(new Set(buffers)).toEqual(new Set(['model.embed_maps.weight']));
    expect(Math.max(...random.gradients['model.embed_maps.weight']!.map(Math.abs))).toBe(0);
  });

  it('sends gradients through the second stream: values of the first layer move the maps of the next', async () => {
    const name = 'model.layers.0.self_attn.v_proj.weight';
    const tokens = 'model.embed_tokens.weight';
    const program = await compile(make(fixed), [name, tokens]);
    const here = await program(text);
    for (const changed of [name, tokens]) {
      const direction = here.weights[changed]!.map((_, i) => Math.sin(1 + 7.3 * i));
      const step = 2 ** -8;
      const lossAt = async (sign: number) => {
        const moved = here.weights[changed]!.map((value, i) => value + sign * step * direction[i]!);
        return (await program(text, { [changed]: moved })).loss;
      };
      const difference = ((await lossAt(1)) - (await lossAt(-1))) / (2 * step);
      const slope = here.gradients[changed]!.reduce((s, value, i) => s + value * direction[i]!, 0);
      expect(Math.abs(difference - slope) / Math.max(Math.abs(slope), 0.1)).toBeLessThan(5e-3);
    }
    const moved = await program(text, { [name]: here.weights[name]!.map((value) => value + 0.3) });
    expect(worst(moved.patterns[0]!, here.patterns[0]!)).toBe(0);
    expect(worst(moved.patterns[1]!, here.patterns[1]!)).toBeGreaterThan(1e-3);
  });

  it.each(['embeddings', 'random', fixed] as const)('of %j is a language model to train', async (maps) => {
    const task = languageModelTask(make(maps, { plan: 'even' }), { B: 2, T: 8 });
    const outputs = { ...task.evaluation, trained: task.loss, ...task.watch };
    const program = await runtime.compile(
      lower(Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, { value }])), {
        weights: 'inputs',
      }),
    );
    const made = await program.run({
      ids: { type: 'int64', shape: [2, 9], data: BigInt64Array.from([...text, ...other].map(BigInt)) },
      ...Object.fromEntries(
        program.graph.weights.map(({ input: name, weight, shape }) => {
          const values = task.initial(weight, shape, normal(seededRandom(seedFor(3, weight))));
          return [name, { type: 'float32' as const, shape, data: values }];
        }),
      ),
    });
    expect(made.trained!.data[0]).toBeCloseTo(Number(made.loss!.data[0]), 5);
    expect(made.trained!.data[0]).toBeCloseTo(Math.log(7), 1);
  });

  it('without its replaced layers is the standard decoder of those that are left', async () => {
    const skipped = withoutReplaced(make('embeddings', { plan: 'odd' }), 'odd');
    expect([skipped.sizes.L, skipped.blocks.length]).toEqual([2, 2]);
    const made = await run(skipped, text);
    expect(new Set(Object.keys(made.weights).flatMap((name) => /layers\.(\d)/.exec(name)?.[1] ?? []))).toEqual(
      new Set(['0', '2']),
    );
  });

  it.each([
    [
      'a text longer than what is stored',
      () => trace(make('random'), wholeText(13), 13),
      'deconstructed decoder: there are maps for 12 positions, the text has 13',
    ],
    [
      'a fixed text shorter than the context',
      () => make({ ids: [1, 2] }),
      'deconstructed decoder: expected maps.ids to be at least as long as the context, 12, got 2',
    ],
    [
      'an id that is no token',
      () => make({ ids: [...fixedText, 7] }),
      'deconstructed decoder: expected maps.ids from 0 to 6, got 7',
    ],
    [
      'padding',
      () => trace(make('random'), { ...wholeText(T), keyIsReal: input('real', { B: 1, S: T }, 'bool') }, T),
      'maps from another stream: expected texts of one length, got padding',
    ],
    [
      'a part of the queries',
      () => trace(make('embeddings'), { ...wholeText(T), queries: iota('T', 4) }, 4),
      'maps from another stream: expected the whole text at once, got a part of its queries; run it without query chunks',
    ],
    [
      'a stream that was replaced on its way',
      () => trace(make('embeddings'), wholeText(T), T, true),
      'maps from embeddings: expected a stream made from the embeddings of one text, got none; run the model from its tokens, without edits that replace the stream',
    ],
  ] as const)('refuses %s', (_, attempt, message) => {
    expect(attempt).toThrow(message);
  });
});

function trace(decoder: Decoder, places: Places, length: number, replace = false) {
  const edit = replace ? { 'blocks.1.hook_in': () => input('elsewhere', { B: 1, T: length, M: sizes.M }) } : {};
  return logits(decoder, input('ids', { B: 1, T: length }, 'int64'), places, createHooks({ edit }));
}
