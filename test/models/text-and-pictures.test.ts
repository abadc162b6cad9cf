import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { copied, familyFolder, furthest, open, openReference } from './support.ts';

const clip = familyFolder('clip');
const llava = familyFolder('llava');
const needed = '(needs the shared fixtures)';

const rows = (values: Float32Array, width: number) =>
  Array.from({ length: values.length / width }, (_, i) => Array.from(values.subarray(i * width, (i + 1) * width)));
const product = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const output = (outputs: ReadonlyMap<string, { data: unknown }>, name: string) =>
  outputs.get(name)!.data as Float32Array;

describe.skipIf(clip === undefined)(`CLIP ${needed}`, () => {
  const embed = async (model: Model, ids: number[][]) =>
    rows(output((await run(model.parts.get('text')!, { ids })).outputs, 'text_embeds'), 16);

  it('compares pictures and texts as its reference does', async () => {
    await using model = await open(clip!);
    const reference = await openReference(join(clip!, 'expected.safetensors'));
    const ids = rows((await reference.read('input.input_ids')) as Float32Array, 13);
    const pixels = await reference.read('input.pixel_values');
    expect([...model.parts.keys()]).toEqual(['text', 'vision']);
    expect(model.stack.part).toBe('vision');
    const { outputs } = await run(model, { pixels, shape: [2, 3, 32, 32] });
    const scale = output(outputs, 'logit_scale')[0]!;
    const texts = await embed(model, ids);
    const logits = rows(output(outputs, 'image_embeds'), 16).flatMap((picture) =>
      texts.map((text) => scale * product(picture, text)),
    );
    expect(furthest(logits, await reference.read('output.logits_per_image'))).toBeLessThan(1e-4);
    expect(Math.abs(logits[0]!)).toBeGreaterThan(0.1);
  });

  it('gives a text the same place, alone and padded beside a longer one', async () => {
    await using model = await open(clip!);
    const [short, long] = [
      [1, 40, 96],
      [1, 8, 15, 22, 29, 96],
    ];
    const together = await embed(model, [short!, long!]);
    expect(furthest(together[0]!, (await embed(model, [short!]))[0]!)).toBeLessThan(1e-5);
    expect(furthest(together[1]!, (await embed(model, [long!]))[0]!)).toBeLessThan(1e-5);
  });

  it('looks for the end token at its first place, or for the largest id where the configuration names 2', async () => {
    const withEnd = async (end: number) => {
      const folder = await copied(clip!);
      const path = join(folder, 'config.json');
      const config = JSON.parse(await readFile(path, 'utf8'));
      config.text_config.eos_token_id = end;
      await writeFile(path, JSON.stringify(config));
      await using model = await open(folder);
      return await embed(model, [
        [1, 40, 50, 60, 50],
        [1, 40, 50, 60, 51],
        [1, 40, 50, 70, 51],
      ]);
    };
    const [first, second, third] = await withEnd(50);
    expect(furthest(first!, second!)).toBeLessThan(1e-6);
    expect(furthest(second!, third!)).toBeLessThan(1e-6);
    const [, before, after] = await withEnd(2);
    expect(furthest(before!, after!)).toBeGreaterThan(1e-3);
  });

  it('reads the sizes that early releases write beside a configuration', async () => {
    const folder = await copied(clip!);
    const path = join(folder, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    config.text_config_dict = { hidden_size: 32 };
    config.vision_config_dict = null;
    config.text_config.hidden_size = 64;
    await writeFile(path, JSON.stringify(config));
    await using model = await open(folder);
    expect(model.parts.get('text')!.stack.sizes.M).toBe(32);
  });
});

describe.skipIf(llava === undefined)(`LLaVA ${needed}`, () => {
  const pixels = Float32Array.from({ length: 3 * 32 * 32 }, (_, k) => Math.sin(0.37 * k));
  const states = async (model: Model) =>
    (await run(model.parts.get('vision')!, { pixels, shape: [1, 3, 32, 32] })).outputs.get('image_hidden_states')!;

  it('puts the patches of a picture in place of its image tokens, in order', async () => {
    await using model = await open(llava!);
    expect(model.stack.part).toBe('language');
    const patches = await states(model);
    expect(patches.shape).toEqual([16, 32]);
    const ids = [[1, 5, ...new Array<number>(16).fill(96), 7, 8]];
    const given = {
      values: patches.data as Float32Array,
      shape: [16, 32] as const,
      rows: [[-1, -1, ...Array.from({ length: 16 }, (_, i) => i), -1, -1]],
    };
    const { captured } = await run(model, { ids, given }, { capture: ['embed.hook_out'], logits: false });
    const stream = captured.get('embed.hook_out')!.data as Float32Array;
    expect(furthest(stream.subarray(2 * 32, 18 * 32), patches.data as Float32Array)).toBe(0);
    const plain = await run(model, { ids }, { capture: ['embed.hook_out'], logits: false });
    const own = plain.captured.get('embed.hook_out')!.data as Float32Array;
    expect(furthest(stream.subarray(0, 64), own.subarray(0, 64))).toBe(0);
    expect(furthest(stream, own)).toBeGreaterThan(0.1);
  });

  it('looks at the layer of the tower that the configuration names', async () => {
    const layers = async (layer: number) => {
      const folder = await copied(llava!);
      const path = join(folder, 'config.json');
      const config = JSON.parse(await readFile(path, 'utf8'));
      await writeFile(path, JSON.stringify({ ...config, vision_feature_layer: layer }));
      await using model = await open(folder);
      return { count: model.parts.get('vision')!.stack.sizes.L, values: (await states(model)).data as Float32Array };
    };
    const [before, same, last] = [await layers(-2), await layers(2), await layers(-1)];
    expect([before.count, same.count, last.count]).toEqual([2, 2, 3]);
    expect(furthest(before.values, same.values)).toBe(0);
    expect(furthest(before.values, last.values)).toBeGreaterThan(0.1);
    await expect(layers(4)).rejects.toThrow(/"vision_feature_layer" expected a number from -3 to 3, and not 0, got 4$/);
  });

  it('says which language models it stands on', async () => {
    const folder = await copied(llava!);
    const path = join(folder, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    config.text_config.model_type = 'opt';
    await writeFile(path, JSON.stringify(config));
    await expect(open(folder)).rejects.toThrow(
      /"text_config\.model_type" expected one of "llama", "mistral", "qwen2", got "opt"$/,
    );
  });
});
