import { describe, expect, it } from 'vitest';
import { describePatches } from '../../src/load/token-roles.ts';
import { gridOfForm } from '../../src/models/feed.ts';
import type { Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import type { PixelStack } from '../../src/models/stack.ts';
import { familyFolder, furthest, open } from './support.ts';

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

describe('sizes of pictures', () => {
  const message = async (name: string, Y: number, X: number) => {
    await using model = await pictureModel(name);
    return await run(model, sines(1, Y, X)).then(
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
