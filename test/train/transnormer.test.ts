import { afterAll, describe, expect, it } from 'vitest';
import { wholeText } from '../../src/attention/places.ts';
import type { Decoder } from '../../src/models/decoder.ts';
import { logits } from '../../src/models/forward.ts';
import { createHooks } from '../../src/models/hooks.ts';
import { normal, seededRandom, seedFor } from '../../src/random.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { input, lower } from '../../src/tensor/index.ts';
import { smallDecoder } from '../../src/train/small-decoder.ts';
import { type TransNormerOptions, transNormer, transNormerBlock } from '../../src/train/transnormer.ts';
import { weightNodes, worst } from '../attention/support.ts';
import { naiveTransNormer } from './naive/transnormer.ts';

const sizes = { L: 3, H: 2, M: 8, V: 7 };
const text = [3, 3, 6, 0, 2, 4, 1, 5, 3];
const T = text.length;

const runtime = nodeRuntime({ threads: 1 });
afterAll(() => runtime[Symbol.asyncDispose]());

/** Logits of the text, and the tensors that the decoder asks for. */
async function run(decoder: Decoder, watched: boolean, factor: (name: string) => number = () => 1) {
  const ids = input('ids', { B: 1, T }, 'int64');
  const made = logits(decoder, ids, wholeText(T), createHooks({ watched }));
  const weights = Object.fromEntries(
    [...weightNodes([made.node])].map(([name, [first]]) => {
      const shape = [...first!.node.axes.values()].map((size) => size.evaluate({}));
      const draw = normal(seededRandom(seedFor(2, name)));
      const length = shape.reduce((a, b) => a * b, 1);
      const values = decoder.fresh?.(name, shape, draw) ?? Float32Array.from({ length }, () => 0.4 * draw());
      return [name, values.map((value) => value * factor(name))];
    }),
  );
  const program = await runtime.compile(
    lower({ logits: { value: made, order: ['B', 'T', 'V'] } }, { weights: 'inputs' }),
  );
  const results = await program.run({
    ids: { type: 'int64', shape: [1, T], data: BigInt64Array.from(text.map(BigInt)) },
    ...Object.fromEntries(
      program.graph.weights.map(({ input: name, weight, shape }) => [
        name,
        { type: 'float32' as const, shape, data: weights[weight]! },
      ]),
    ),
  });
  return { logits: results.logits!.data as Float32Array, weights };
}

const make = (more: Partial<TransNormerOptions> = {}) => transNormer({ sizes, context: 12, ...more });

describe('TransNormerLLM', () => {
  it.each([
    ['watched', true, {}],
    ['in blocks of 4', false, { attention: { block: 4 } }],
    ['of one layer', true, { sizes: { ...sizes, L: 1 } }],
    ['with another inner width', true, { sizes: { ...sizes, F: 5 } }],
  ] satisfies [string, boolean, Partial<TransNormerOptions>][])(
    '%s is what plain loops give',
    async (_, watched, more) => {
      const made = await run(make(more), watched);
      const own = { F: 2 * sizes.M, ...sizes, ...(more as Partial<TransNormerOptions>).sizes };
      expect(worst(made.logits, naiveTransNormer(text, made.weights, own).flat())).toBeLessThan(2e-5);
    },
  );

  it('has no parameter in any norm, four matrices of attention in two tensors, and an inner width of 2 M', async () => {
    const { weights } = await run(make(), true);
    const layer = ['self_attn.qkvu_proj', 'self_attn.out_proj', 'mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'];
    expect(Object.keys(weights).sort()).toEqual(
      [
        'model.embed_tokens.weight',
        'model.layers.0.self_attn.lrpe.theta',
        ...[0, 1, 2].flatMap((l) => layer.map((name) => `model.layers.${l}.${name}.weight`)),
      ].sort(),
    );
    expect(weights['model.layers.1.mlp.up_proj.weight']!.length).toBe(16 * 8);
    const all = Object.values(weights).reduce((sum, { length }) => sum + length, 0);
    // 4 M² + M² + 3 · 2 M² a layer, the table, and M angles.
    expect(all).toBe(3 * 11 * 64 + 7 * 8 + 8);
  });

  it('sees the direction of the stream alone, up to ε: all that is written ten times as large changes nothing', async () => {
    const untied = make({ tied: false });
    const times = (writes: RegExp) => run(untied, true, (name) => (writes.test(name) ? 10 : 1));
    const [one, ten] = [await times(/none/), await times(/out_proj|down_proj|embed_tokens/)];
    expect(worst(one.logits, ten.logits)).toBeLessThan(1e-3);
    expect(worst(one.logits, (await times(/embed_tokens/)).logits)).toBeGreaterThan(0.1);
  });

  it('an activation in the unit or weights in the norms make another model', async () => {
    const base = { ...transNormerBlock(), sizes: { ...sizes, F: 16 }, context: 12 };
    const same = await run(smallDecoder(base), true);
    expect(worst(same.logits, (await run(make(), true)).logits)).toBe(0);
    const active = await run(smallDecoder({ ...base, activation: 'silu' }), true);
    expect(worst(same.logits, active.logits)).toBeGreaterThan(1e-2);
    const weighted = await run(smallDecoder({ ...base, normWeight: true }), true);
    expect(Object.keys(weighted.weights).filter((name) => name.includes('norm')).length).toBe(2 * 3 + 1);
  });

  it('takes the positions of the site only where attention asks for them', () => {
    expect(transNormerBlock().position.name).toBe('none');
    expect(transNormerBlock({ positions: 'site' }).position.name).toBe('rope');
  });
});
