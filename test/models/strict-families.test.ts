import { readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Checkpoint, StoredTensor } from '../../src/load/checkpoint.ts';
import { openLocal } from '../../src/load/open-local.ts';
import { createModel, type Model } from '../../src/models/model.ts';
import { checkWeights } from '../../src/models/weights.ts';
import { stacksOf } from './batches.ts';
import { copied, open, present } from './support.ts';

type Tensors = Map<string, StoredTensor>;
type Config = Record<string, unknown>;

const isObject = (value: unknown): value is Config =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The configuration with one key more at its top, and in each object inside it, with where that is. */
function* withOneMore(config: Config): Generator<{ readonly key: string; readonly config: Config }> {
  yield { key: 'attention_sinks', config: { ...config, attention_sinks: 4 } };
  // Names of classes by their ids are no keys.
  for (const [outer, inner] of Object.entries(config).filter(
    ([key, value]) => isObject(value) && !/2(id|label)$/.test(key),
  ))
    for (const { key, config: more } of withOneMore(inner as Config))
      yield { key: `${outer}.${key}`, config: { ...config, [outer]: more } };
}

/** A stored matrix whose sides differ, the other way round; the values of a single row stand in the same order as those of a column. */
const transposed = ({ shape, ...rest }: StoredTensor): StoredTensor | undefined =>
  shape.length === 2 && shape[0] !== shape[1] && !shape.includes(1)
    ? { ...rest, shape: shape.toReversed() }
    : undefined;

const renamed = (tensors: ReadonlyMap<string, StoredTensor>, name: string): Tensors => {
  const all = new Map(tensors).set(`${name}_`, tensors.get(name)!);
  all.delete(name);
  return all;
};

describe.each(present)('%s that is not understood whole is refused by name', (_, folder) => {
  let model: Model;
  let stored: Checkpoint;
  beforeAll(async () => {
    model = await open(folder);
    stored = await openLocal(folder);
  });
  afterAll(async () => {
    await model.dispose();
    await stored.close();
  });

  const message = (attempt: () => unknown) => {
    try {
      attempt();
      return 'understood';
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message.replaceAll(folder, 'MODEL')}`;
    }
  };
  const refusal = (change: Partial<Checkpoint>) =>
    message(() => createModel({ checkpoint: { ...stored, ...change }, runtime: model.runtime }));

  it('a key of the configuration that nobody reads, inside objects too, in either spelling', async () => {
    expect(refusal({})).toBe('understood');
    for (const spelling of ['config.json', 'config.v5.json']) {
      const config = JSON.parse(await readFile(join(folder, spelling), 'utf8')) as Config;
      for (const { key, config: more } of withOneMore(config)) {
        const said = refusal({ config: more });
        expect({ spelling, key, said }).toEqual({
          spelling,
          key,
          said: `LoadError: MODEL config.json: this key is not understood and may change results: "${key}"`,
        });
      }
    }
  });

  it('a tensor too many, under another name, or the other way round, in every stack', () => {
    const { family } = model.stack;
    for (const [part, { weightShapes }] of stacksOf(model)) {
      const names = [...weightShapes.keys()].flatMap((one) => {
        const file = one.startsWith('model.') ? `language_model.${one}` : one;
        return [one, file].filter((other) => stored.tensors.has(other)).slice(0, 1);
      });
      const matrix = names.find((one) => /\.1\./.test(one) && transposed(stored.tensors.get(one)!))!;
      const extra = `${matrix}.sinks`;
      const read = (file: string) => file.replace(/^language_model\./, '');
      expect(
        refusal({ tensors: new Map(stored.tensors).set(extra, { ...stored.tensors.get(matrix)!, name: extra }) }),
      ).toBe(
        `LoadError: MODEL: tensors that family ${family} does not read: ${read(extra)}; results without them would be wrong`,
      );
      for (const one of [matrix, ...names.filter((outer) => !/\.\d+\./.test(outer))])
        expect([part, one, refusal({ tensors: renamed(stored.tensors, one) })]).toEqual([
          part,
          one,
          expect.stringContaining(read(one)),
        ]);
      const turned = transposed(stored.tensors.get(matrix)!)!;
      expect(refusal({ tensors: new Map(stored.tensors).set(matrix, turned) })).toContain(
        `tensor ${read(matrix)} has shape [${turned.shape}], the configuration makes it [`,
      );
    }
  });

  it('each of its tensors', () => {
    const { checkpoint } = model;
    const stacks = stacksOf(model).map(([, { stack }]) => stack);
    const wanted = new Map(stacksOf(model).flatMap(([, { weightShapes }]) => [...weightShapes]));
    const check = (tensors: Tensors) => message(() => checkWeights({ ...checkpoint, tensors }, stacks, wanted));
    const all = new Map(checkpoint.tensors);
    expect(check(all)).toBe('understood');
    for (const one of wanted.keys()) {
      expect(check(renamed(all, one))).toContain(`missing tensors for family ${model.stack.family}: ${one}; `);
      const turned = transposed(all.get(one)!);
      if (turned) {
        const tensors = new Map(all).set(one, turned);
        // Where the sizes of the axes do not tell it, the family does.
        const said = check(tensors) === 'understood' ? refusal({ tensors }) : check(tensors);
        expect(said).toContain(`tensor ${one} has shape [${turned.shape}], `);
      }
      expect(check(new Map(all).set(`${one}_`, all.get(one)!))).toContain(`does not read: ${one}_; `);
    }
  });

  it('a packed tensor under another name', () => {
    const packed = [...stored.tensors.keys()].filter((one) => /\.1\..*_(blocks|scales)$/.test(one));
    expect(packed.length > 0).toBe(folder.endsWith('mxfp4'));
    for (const one of packed) expect(refusal({ tensors: renamed(stored.tensors, one) })).toContain(one);
  });

  it('a file that ends too soon', async () => {
    const copy = await copied(folder);
    const path = join(copy, 'model.safetensors');
    await truncate(path, (await stat(path)).size - 7);
    await expect(open(copy)).rejects.toMatchObject({
      name: 'LoadError',
      message: expect.stringMatching(/^safetensors model\.safetensors: .*; the download may be incomplete$/),
    });
  });
});
