import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SafetensorsFile } from '../../src/load/safetensors-file.ts';
import { writeSafetensors } from '../../src/load/write-safetensors-node.ts';
import { estimateMemory } from '../../src/models/memory.ts';
import { bundled } from '../fixtures.ts';
import { copied, familyFolder, furthest, open, openReference } from '../models/support.ts';
import { sinklab } from './terminal.ts';
import { bertTokens, toneWav, toyModel, toyTokenizerJson, whisperPreprocessor } from './toy-models.ts';

const needed = ['bert', 'vit', 'dinov2_with_registers', 'whisper', 't5', 'llava'];
const here = needed.every((name) => familyFolder(name) !== undefined);
const family = (name: string) => familyFolder(name)!;
const picture = bundled('inputs/rgb.png');
const target = async () => join(await copied(bundled('tokenizers/folder')), 'x.safetensors');

/** Captures a hook point with these options; the file. */
async function captured(model: string, hook: string, ...args: string[]): Promise<SafetensorsFile & { path: string }> {
  const out = await target();
  const { code, err } = await sinklab('capture', model, '--hook', hook, ...args, '--out', out);
  expect(code, err).toBe(0);
  return Object.assign(await openReference(out), { path: out });
}

async function refused(model: string, hook: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await sinklab('capture', model, '--hook', hook, ...args, '--out', await target());
  expect([code, out]).toEqual([1, '']);
  return err.trimEnd().split('\n').at(-1)!;
}

describe.skipIf(!here)(`captures of other inputs than texts${here ? '' : ' (need the shared fixtures)'}`, () => {
  const first = 'blocks.0.attn.hook_pattern';
  const cross = 'blocks.0.cross_attn.hook_pattern';

  it.each([
    ['vit', first, 'attentions.0', []],
    ['bert', first, 'attentions.0', []],
    ['llava', first, 'attentions.0', []],
    ['t5', cross, 'cross_attentions.0', []],
    ['whisper', cross, 'cross_attentions.0', []],
    ['whisper', first, 'encoder_attentions.0', ['--part', 'encoder']],
  ])('--input of %s gives what the reference gives for the same input: %s', async (name, hook, wanted, args) => {
    const reference = await openReference(join(family(name), 'expected.safetensors'));
    const file = await captured(family(name), hook, '--input', join(family(name), 'expected.safetensors'), ...args);
    expect(file.tensors.get(hook)!.shape).toEqual(reference.tensors.get(`output.${wanted}`)!.shape);
    expect(furthest(await file.read(hook), await reference.read(`output.${wanted}`))).toBeLessThan(1e-5);
    // What it wrote can be read again, whatever other stacks made among it.
    const again = await captured(family(name), hook, '--input', file.path, ...args);
    expect(furthest(await again.read(hook), await file.read(hook))).toBeLessThan(1e-6);
  });

  it('a picture, several, and one of another size', async () => {
    const one = await captured(family('vit'), first, '--image', picture);
    expect(one.tensors.get('input.pixel_values')!.shape).toEqual([1, 3, 32, 32]);
    const both = await captured(family('vit'), first, '--image', bundled('inputs/grey.png'), picture);
    expect(both.tensors.get(first)!.shape).toEqual([2, 4, 17, 17]);
    const last = (await both.read(first)).subarray(4 * 17 * 17);
    expect(furthest(await one.read(first), last)).toBeLessThan(1e-6);

    const usual = { do_resize: true, do_center_crop: false, do_rescale: true, do_normalize: true, resample: 3 };
    const folder = await toyModel('dinov2_with_registers', {
      'preprocessor_config.json': JSON.stringify({
        ...{ image_processor_type: 'BitImageProcessor', size: { height: 48, width: 64 }, rescale_factor: 1 / 255 },
        ...{ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] },
        ...usual,
      }),
    });
    const other = await captured(folder, first, '--image', picture, '--position', '51');
    expect(other.tensors.get(first)!.shape).toEqual([1, 4, 1, 52]);
  });

  it('a sound, and what is heard in it', async () => {
    const special = { '<|endoftext|>': 91, '<|startoftranscript|>': 92, '<|notimestamps|>': 93 };
    const folder = await toyModel('whisper', {
      'tokenizer.json': toyTokenizerJson({ special }),
      'preprocessor_config.json': whisperPreprocessor,
    });
    const sound = join(folder, 'tone.wav');
    await writeFile(sound, toneWav(0.5));
    const encoder = await captured(folder, first, '--audio', sound, '--part', 'encoder');
    expect(encoder.tensors.get('input.input_features')!.shape).toEqual([1, 8, 40]);
    expect(encoder.metadata.get('tokens')).toBeUndefined();
    const decoder = await captured(folder, cross, '--audio', sound);
    const [, T] = decoder.tensors.get('input.decoder_input_ids')!.shape;
    expect(decoder.tensors.get(cross)!.shape).toEqual([1, 4, T, 20]);
    expect(decoder.tensors.get('input.memory')!.shape).toEqual([1, 20, 32]);
    const again = await captured(folder, cross, '--input', decoder.path);
    expect(furthest(await again.read(cross), await decoder.read(cross))).toBe(0);
    expect(await refused(folder, 'blocks.0.cross_attn.hook_rot_k', '--audio', sound, '--position', '25')).toBe(
      'sinklab: position 25: blocks.0.cross_attn.hook_rot_k has positions 0 to 19 along S',
    );
  });

  it('a text between the special tokens of an encoder, and types of tokens', async () => {
    const folder = await toyModel('bert', { 'tokenizer.json': toyTokenizerJson(bertTokens) });
    const text = await captured(folder, first, '--text', 'w10 w11 w12');
    expect([...(await text.read('input.input_ids'))]).toEqual([1, 10, 11, 12, 2]);
    const input = await target();
    const row = (values: readonly number[]) => ({
      ...{ dtype: 'I64' as const, shape: [1, 5], values: BigInt64Array.from(values.map(BigInt)) },
    });
    const ids = ['input.input_ids', row([1, 10, 11, 12, 2])] as const;
    await writeSafetensors(input, new Map([ids, ['input.token_type_ids', row([0, 0, 0, 1, 1])]]), new Map());
    const typed = await captured(folder, first, '--input', input);
    expect([...(await typed.read('input.token_type_ids'))]).toEqual([0, 0, 0, 1, 1]);
    expect(furthest(await typed.read(first), await text.read(first))).toBeGreaterThan(1e-4);
  });

  it('padding of the encoder’s text is no memory', async () => {
    const row = (values: readonly number[]) => ({
      ...{ dtype: 'I64' as const, shape: [1, values.length], values: BigInt64Array.from(values.map(BigInt)) },
    });
    const decoder = ['input.decoder_input_ids', row([0, 5, 6])] as const;
    const [short, padded] = [await target(), await target()];
    await writeSafetensors(short, new Map([decoder, ['input.input_ids', row([11, 12, 13])]]), new Map());
    await writeSafetensors(
      padded,
      new Map([
        decoder,
        ['input.input_ids', row([11, 12, 13, 0, 0])],
        ['input.attention_mask', row([1, 1, 1, 0, 0])],
      ] as const),
      new Map(),
    );
    const hook = 'ln_final.hook_out';
    const [a, b] = [
      await captured(family('t5'), hook, '--input', short),
      await captured(family('t5'), hook, '--input', padded),
    ];
    expect(furthest(await a.read(hook), await b.read(hook))).toBeLessThan(1e-5);
    expect([...(await b.read('input.memory_mask'))]).toEqual([1, 1, 1, 0, 0]);
    const again = await captured(family('t5'), hook, '--input', b.path);
    expect(furthest(await again.read(hook), await b.read(hook))).toBe(0);
  });

  it('what a decoder looks at and what pictures take counts in the estimate of memory', async () => {
    await using model = await open(family('whisper'));
    const { H, G, D, M } = model.stack.sizes;
    const activations = (size: object) => estimateMemory(model, { B: 1, T: 10, ...size }).activations;
    const [T, S] = [10, 1500];
    expect(activations({ S }) - activations({})).toBe(4 * (3 * H * T * S + S * (M + 4 * G * D)));
    expect(activations({ S, watched: false }) - activations({ watched: false })).toBe(4 * S * (M + 4 * G * D));
    expect(activations({ read: 3 * 224 * 224 }) - activations({})).toBe(16 * 3 * 224 * 224);
  });

  it('is refused where the model reads something else', async () => {
    expect(await refused(bundled('families/llama'), first, '--image', picture)).toBe(
      'sinklab: --image: llama reads text alone',
    );
    expect(await refused(family('vit'), first, '--ids', '1,2')).toBe(
      'sinklab: --ids: vit reads pictures: give them with --image',
    );
    expect(await refused(family('vit'), first, '--image', picture, '--audio', 'x.wav')).toBe(
      'sinklab: capture: expected one of --text, --file, --ids, --image, --audio and --input, got --image and --audio',
    );
    const bert = join(family('bert'), 'expected.safetensors');
    expect(await refused(family('vit'), first, '--input', bert)).toMatch(
      /expected input\.pixel_values of shape \[B, C, Y, X\], it is missing$/,
    );
    const input = await target();
    await writeSafetensors(
      input,
      new Map([['input.position_ids', { dtype: 'I64' as const, shape: [1, 1], values: BigInt64Array.of(3n) }]]),
      new Map(),
    );
    expect(await refused(family('bert'), first, '--input', input)).toBe(
      `sinklab: --input ${input}: input.position_ids is not known; leave it out`,
    );
  });
});
