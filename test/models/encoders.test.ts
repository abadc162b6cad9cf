import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { columnSums } from '../../src/measure/reductions.ts';
import { feed } from '../../src/models/feed.ts';
import type { TokenBatch } from '../../src/models/input.ts';
import { Layerwise } from '../../src/models/layerwise.ts';
import type { Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { copied, familyFolder, furthest, open, someIds } from './support.ts';
import { type Variant, variant } from './text-variants.ts';

const names = ['bert', 'roberta', 'distilbert', 'electra', 'modernbert', 'openai_privacy_filter'] as const;
const present = names.flatMap((name) => {
  const folder = familyFolder(name);
  return folder === undefined ? [] : [[name, folder] as const];
});
const patterns = ['blocks.*.attn.hook_pattern'] as const;

const logitsOf = async (model: Model, batch: TokenBatch, watched = false) =>
  (await run(model, batch, watched ? { capture: patterns } : {})).logits!.data as Float32Array;

describe.each(present)('%s', (name, folder) => {
  it('sees in both directions, and no further than its windows', async () => {
    await using model = await open(folder);
    const { captured } = await run(model, { ids: [someIds(13)] }, { capture: patterns });
    for (const [layer, { window = 13 }] of model.stack.blocks.entries()) {
      const pattern = captured.get(`blocks.${layer}.attn.hook_pattern`)!.data as Float32Array;
      for (let t = 0; t < 13; t++)
        for (let s = 0; s < 13; s++) expect(pattern[t * 13 + s]! > 0).toBe(Math.abs(t - s) < window);
    }
    expect(model.stack.blocks.map(({ window }) => window)).toEqual(
      { modernbert: [undefined, 5, 5], openai_privacy_filter: [7, 7, 7] }[name as string] ?? Array(3).fill(undefined),
    );
  });

  it('both lowerings agree in texts of 1, 2 and 21 tokens, and a batch equals its rows, padded on either side', async () => {
    await using model = await open(folder);
    for (const length of [1, 2, 21]) {
      const batch = { ids: [someIds(length), someIds(length, 5)] };
      expect(furthest(await logitsOf(model, batch, true), await logitsOf(model, batch))).toBeLessThan(1e-5);
    }
    const rows = [someIds(13), someIds(9, 5), someIds(1, 8)];
    const alone = await Promise.all(rows.map((row) => logitsOf(model, { ids: [row] })));
    const V = alone[2]!.length;
    for (const padding of ['left', 'right'] as const)
      for (const watched of [true, false]) {
        const together = await logitsOf(model, { ids: rows, padding }, watched);
        for (const [b, row] of rows.entries()) {
          const start = (b * 13 + (padding === 'left' ? 13 - row.length : 0)) * V;
          expect(furthest(together.subarray(start, start + row.length * V), alone[b]!)).toBeLessThan(2e-5);
        }
      }
  });

  it('layer by layer, in chunks of any size, gives the residual streams and column sums of the whole graph', async () => {
    await using model = await open(folder);
    const { H } = model.stack.sizes;
    const capture = [...patterns, 'blocks.*.hook_out'] as const;
    const { captured } = await run(model, { ids: [someIds(13)] }, { capture, logits: false });
    for (const chunk of [4, 13]) {
      const engine = new Layerwise(model, { reduce: { columnSums }, chunk });
      for await (const { layer, residual, reduced } of engine.run([feed(model.stack, { ids: [someIds(13)] })])) {
        const of = (hook: string) => captured.get(`blocks.${layer}.${hook}` as never)!.data as Float32Array;
        const sums = new Float64Array(H * 13);
        of('attn.hook_pattern').forEach((weight, i) => {
          sums[Math.floor(i / 169) * 13 + (i % 13)]! += weight;
        });
        expect(furthest(reduced.columnSums!.data, sums)).toBeLessThan(1e-5);
        expect(furthest(residual, of('hook_out'))).toBeLessThan(1e-5);
      }
    }
  });

  it('a key that nobody reads, and tensors too many, renamed, transposed or cut off are refused', async () => {
    const some = {
      bert: 'bert.encoder.layer.1.intermediate.dense.weight',
      roberta: 'roberta.encoder.layer.1.intermediate.dense.weight',
      distilbert: 'distilbert.transformer.layer.1.ffn.lin1.weight',
      electra: 'electra.encoder.layer.1.intermediate.dense.weight',
      modernbert: 'model.layers.1.mlp.Wo.weight',
      openai_privacy_filter: 'model.layers.1.self_attn.k_proj.weight',
    }[name];
    const refusal = async (changes: Variant) => {
      const changed = await variant(folder, changes);
      return open(changed).then(
        () => 'loaded',
        (error: Error) => `${error.name}: ${error.message.replaceAll(changed, 'MODEL')}`,
      );
    };
    expect(await refusal({ config: { attention_sinks: 4 } })).toBe(
      'LoadError: MODEL config.json: this key is not understood and may change results: "attention_sinks"',
    );
    expect(await refusal({ added: { 'encoder.layer.9.weight': [2, 2] } })).toBe(
      `LoadError: MODEL: tensors that family ${name} does not read: encoder.layer.9.weight; results without them would be wrong`,
    );
    expect(await refusal({ names: (one) => (one === some ? `${some}_` : one) })).toMatch(
      new RegExp(`^LoadError: MODEL: missing tensors for family ${name}: ${some.replaceAll('.', '\\.')}; `),
    );
    const transposed = (tensors: Parameters<NonNullable<Variant['tensors']>>[0]) => {
      const { shape, ...tensor } = tensors.get(some)!;
      tensors.set(some, { ...tensor, shape: shape.toReversed() });
    };
    expect(await refusal({ tensors: transposed })).toMatch(
      new RegExp(
        `^LoadError: MODEL: tensor ${some.replaceAll('.', '\\.')} has shape \\[\\d+,\\d+\\], the configuration`,
      ),
    );
    const cut = await copied(folder);
    await truncate(join(cut, 'model.safetensors'), (await readFile(join(cut, 'model.safetensors'))).length - 7);
    await expect(open(cut)).rejects.toMatchObject({ name: 'LoadError' });
  });

  it('a configuration with any key of another kind is refused or read as what it says', async () => {
    const folderOf = await copied(folder);
    const path = join(folderOf, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    for (const key of Object.keys(config))
      for (const value of [-1, 0.5, 'no', [null], { a: 1 }]) {
        await writeFile(path, JSON.stringify({ ...config, [key]: value }));
        const outcome = await open(folderOf).then(
          async (model) => {
            await model.dispose();
            return 'loaded';
          },
          (error: Error) => error.name,
        );
        expect({ key, value, outcome: ['loaded', 'LoadError'].includes(outcome) ? 'fine' : outcome }).toEqual({
          ...{ key, value },
          outcome: 'fine',
        });
      }
  });
});

it.skipIf(present.length < names.length)('all were tried (needs the shared fixtures: SINKLAB_FIXTURES)', () => {
  expect(present.map(([name]) => name)).toEqual([...names]);
});
