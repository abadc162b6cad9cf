import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFile } from '../../src/load/bytes-node.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import { describePatches } from '../../src/load/token-roles.ts';
import type { TensorToWrite } from '../../src/load/write-safetensors.ts';
import { writeSafetensors } from '../../src/load/write-safetensors-node.ts';
import { columnSums, turnedQueries } from '../../src/measure/reductions.ts';
import { feed, gridOfForm } from '../../src/models/feed.ts';
import type { Edits } from '../../src/models/hooks.ts';
import { Layerwise } from '../../src/models/layerwise.ts';
import type { Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import type { PixelStack } from '../../src/models/stack.ts';
import { hookShapes } from '../../src/models/trace-hooks.ts';
import { add, multiply, type Tensor } from '../../src/tensor/index.ts';
import { copied, familyFolder, furthest, open } from './support.ts';

const families = ['vit', 'deit', 'dinov2', 'dinov2_with_registers', 'dinov3_vit', 'siglip_vision', 'clip', 'llava'];
const present = families.filter((name) => familyFolder(name) !== undefined);

it.skipIf(present.length < families.length)('all families of pictures are tried (needs the shared fixtures)', () => {
  expect(present).toEqual(families);
});

const sines = (B: number, Y: number, X: number) => ({
  pixels: Float32Array.from({ length: B * 3 * Y * X }, (_, k) => Math.sin(0.37 * k)),
  shape: [B, 3, Y, X] as const,
});

/** The stack of a family that reads pictures. */
async function pictureModel(name: string): Promise<Model & { readonly stack: PixelStack }> {
  const model = await open(familyFolder(name)!);
  return (model.parts.get('vision') ?? model) as Model & { readonly stack: PixelStack };
}

const outputsOf = async (model: Model, edit: Edits = {}) =>
  [...(await run(model, sines(2, 32, 32), { edit })).outputs.values()].map(({ data }) => data as Float32Array);

describe.each(present)('%s', (name) => {
  it('every hook point fires in every layer, with the documented axes and sizes', async () => {
    await using model = await pictureModel(name);
    const { leading, sizes } = model.stack;
    const T = leading.length + 16;
    expect(sizes.maxPositions).toBe(T);
    const { captured } = await run(model, sines(2, 32, 32), { capture: model.hookNames });
    const shapes = hookShapes(model, { B: 2, T });
    for (const hook of model.hookNames) expect([hook, captured.get(hook)!.shape]).toEqual([hook, shapes.get(hook)]);
    expect(captured.get('blocks.0.attn.hook_pattern')!.shape).toEqual([2, sizes.H, T, T]);
  });

  // ViT and DINOv2 share their stacks with the next of the list.
  it.skipIf(name === 'vit' || name === 'dinov2')(
    'every hook point outside the blocks and of the second one can be edited, and the edit changes an output',
    async () => {
      await using model = await pictureModel(name);
      const plain = await outputsOf(model);
      const bend = (value: Tensor<string>) => add(value, multiply(multiply(value, value), 0.5));
      for (const hook of model.hookNames.filter((one) => !/^blocks\.[02-9]\./.test(one))) {
        const edited = await outputsOf(model, { [hook]: bend } as Edits);
        expect({ hook, changed: edited.some((values, i) => furthest(values, plain[i]!) > 1e-4) }).toEqual({
          hook,
          changed: true,
        });
      }
    },
  );

  it('layer by layer and in chunks of queries it gives the same as at once', async () => {
    await using model = await pictureModel(name);
    const wide = model.stack.pixels.anySize ? sines(1, 24, 48) : sines(1, 32, 32);
    const T = model.stack.leading.length + (model.stack.pixels.anySize ? 18 : 16);
    const { H } = model.stack.sizes;
    const capture = ['blocks.*.attn.hook_pattern', 'blocks.*.hook_out', 'blocks.*.attn.hook_rot_q'] as const;
    const { captured } = await run(model, wide, { capture, logits: false });
    for (const chunk of [5, 64]) {
      const engine = new Layerwise(model, { reduce: { columnSums, turnedQueries }, chunk });
      for await (const { layer, residual, reduced } of engine.run([feed(model.stack, wide)])) {
        const value = (hook: string) => captured.get(`blocks.${layer}.${hook}` as never)!.data as Float32Array;
        const received = new Float64Array(H * T);
        value('attn.hook_pattern').forEach((weight, i) => {
          received[Math.floor(i / (T * T)) * T + (i % T)]! += weight;
        });
        expect(furthest(reduced.columnSums!.data, received)).toBeLessThan(1e-5);
        expect(furthest(residual, value('hook_out'))).toBeLessThan(1e-4);
        expect(furthest(reduced.turnedQueries!.data, value('attn.hook_rot_q'))).toBeLessThan(1e-4);
      }
    }
  });
});

describe('sizes of pictures', () => {
  const message = async (name: string, Y: number, X: number) => {
    await using model = await pictureModel(name);
    return run(model, sines(1, Y, X)).then(
      ({ outputs }) => [...outputs.values()][0]!.shape,
      (error: Error) => error.message,
    );
  };

  it.skipIf(!present.includes('vit'))('of whole patches are read (needs the shared fixtures)', async () => {
    expect(await message('vit', 48, 16)).toEqual([1, 5]);
    expect(await message('vit', 36, 32)).toBe('pixels: vit reads [B, 3, multiples of 8], got [1,3,36,32]');
  });

  it.skipIf(!present.includes('llava'))(
    'inside a text only those of training are (needs the shared fixtures)',
    async () => {
      expect(await message('llava', 48, 16)).toBe('pixels: llava vision reads [B, 3, 32, 32], got [1,3,48,16]');
    },
  );
});

describe('positions of a stream of pictures', () => {
  const roles = async (name: string, form = { pixels: { Y: 16, X: 24 } }) => {
    await using model = await pictureModel(name);
    return describePatches(model.stack.leading, gridOfForm(model.stack, form).grid!).map(({ position, role, patch }) =>
      patch ? `${position} ${role} ${patch.row} ${patch.column}` : `${position} ${role}`,
    );
  };
  const patches = (from: number) =>
    ['0 0', '0 1', '0 2', '1 0', '1 1', '1 2'].map((place, i) => `${from + i} patch ${place}`);

  it.skipIf(present.length < families.length)('are named in its order (needs the shared fixtures)', async () => {
    expect(await roles('siglip_vision')).toEqual(patches(0));
    expect(await roles('vit')).toEqual(['0 class', ...patches(1)]);
    expect(await roles('deit')).toEqual(['0 class', '1 distillation', ...patches(2)]);
    const registers = ['0 class', '1 register', '2 register', '3 register'];
    expect(await roles('dinov2_with_registers')).toEqual([...registers, ...patches(4)]);
    expect(await roles('dinov3_vit')).toEqual([...registers, '4 register', ...patches(5)]);
  });

  it.skipIf(!present.includes('dinov3_vit'))(
    'DINOv3 turns patches by row and column, and neither class token nor registers (needs the shared fixtures)',
    async () => {
      await using model = await pictureModel('dinov3_vit');
      const capture = ['blocks.0.attn.k.hook_out', 'blocks.0.attn.hook_rot_k'] as const;
      const { captured } = await run(model, sines(1, 24, 40), { capture, logits: false });
      const [before, after] = capture.map((hook) => captured.get(hook)!.data as Float32Array);
      const { H, D } = model.stack.sizes;
      const head = (values: Float32Array, position: number) =>
        values.subarray(position * H * D + D, position * H * D + 2 * D);
      for (let position = 0; position < 5; position++)
        expect(furthest(head(after!, position), head(before!, position))).toBe(0);
      // Patch in row 2 of 3 and column 4 of 5: centres at 2/3 and 4/5 of the way from −1 to 1; base 100, D = 8.
      const angles = [2 / 3, 4 / 5].flatMap((place) => [1, 0.1].map((frequency) => 2 * Math.PI * place * frequency));
      const key = head(before!, 5 + 14);
      const turned = Array.from({ length: D }, (_, d) => {
        const angle = angles[d % 4]!;
        const other = d < 4 ? -key[d + 4]! : key[d - 4]!;
        return key[d]! * Math.cos(angle) + other * Math.sin(angle);
      });
      expect(furthest(head(after!, 5 + 14), turned)).toBeLessThan(1e-5);
    },
  );
});

type Config = Record<string, Record<string, unknown>>;

/** Why a copy with other weights, another configuration or a shorter file is refused. */
async function refusal(
  name: string,
  change: { weights?: (all: Map<string, TensorToWrite>) => void; config?: (config: Config) => void; cut?: number },
): Promise<string> {
  const folder = await copied(familyFolder(name)!);
  const path = join(folder, 'model.safetensors');
  if (change.weights) {
    const file = await openSafetensorsFile(await openFile(path));
    const all = new Map<string, TensorToWrite>();
    for (const [tensor, { shape }] of file.tensors)
      all.set(tensor, { dtype: 'F32', shape, values: await file.read(tensor) });
    await file.close();
    change.weights(all);
    await writeSafetensors(path, all);
  }
  if (change.config) {
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as Config;
    change.config(config);
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  }
  if (change.cut) await writeFile(path, (await readFile(path)).subarray(0, -change.cut));
  try {
    await (await open(folder)).dispose();
    return 'loaded';
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message.replaceAll(folder, 'MODEL')}`;
  }
}

describe.each(present)('%s that is not understood whole is refused by name', (name) => {
  const family = name === 'siglip_vision' ? 'siglip' : name;
  const block = {
    ...{ vit: 'vit.encoder.layer.1.intermediate.dense', deit: 'deit.encoder.layer.1.intermediate.dense' },
    ...{ dinov2: 'encoder.layer.1.mlp.fc1', dinov2_with_registers: 'encoder.layer.1.mlp.fc1' },
    ...{ dinov3_vit: 'layer.1.mlp.up_proj', siglip_vision: 'encoder.layers.1.mlp.fc1' },
    ...{ clip: 'vision_model.encoder.layers.1.mlp.fc1', llava: 'vision_tower.encoder.layers.1.mlp.fc1' },
  }[name]!;

  it('a tensor too many', async () => {
    const extra = { dtype: 'F32', shape: [4], values: new Float32Array(4) } as const;
    expect(await refusal(name, { weights: (all) => all.set(`${block}.sinks`, extra) })).toBe(
      `LoadError: MODEL: tensors that family ${family} does not read: ${block}.sinks; results without them would be wrong`,
    );
  });

  it('a tensor under another name', async () => {
    const rename = (all: Map<string, TensorToWrite>) => {
      all.set(`${block}.weights`, all.get(`${block}.weight`)!);
      all.delete(`${block}.weight`);
    };
    expect(await refusal(name, { weights: rename })).toBe(
      `LoadError: MODEL: missing tensors for family ${family}: ${block}.weight; the files may be incomplete, or config.json belongs to another model`,
    );
  });

  it('a matrix the other way round', async () => {
    const turn = (all: Map<string, TensorToWrite>) => {
      const matrix = all.get(`${block}.weight`)!;
      all.set(`${block}.weight`, { ...matrix, shape: [...matrix.shape].reverse() });
    };
    const F = name.startsWith('dinov2') ? 64 : 48;
    expect(await refusal(name, { weights: turn })).toBe(
      `LoadError: MODEL: tensor ${block}.weight has shape [32,${F}], the configuration makes it [${F},32]`,
    );
  });

  it('a file that ends too soon', async () => {
    expect(await refusal(name, { cut: 64 })).toMatch(
      /^LoadError: safetensors model\.safetensors: .*; the download may be incomplete$/,
    );
  });

  it('a key of the configuration that nobody reads, nested ones too', async () => {
    const key = (path: string) =>
      `LoadError: MODEL config.json: this key is not understood and may change results: "${path}"`;
    const add = (where: string) => (config: Config) =>
      Object.assign(where === '' ? config : config[where]!, { residual_multiplier: 0.5 });
    expect(await refusal(name, { config: add('') })).toBe(key('residual_multiplier'));
    if (name !== 'clip' && name !== 'llava') return;
    for (const part of ['text_config', 'vision_config'])
      expect(await refusal(name, { config: add(part) })).toBe(key(`${part}.residual_multiplier`));
  });
});
