import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { memoryFolder } from '../../src/load/bytes-memory.ts';
import { readImageProcessor, withEdge } from '../../src/load/images/image-processor.ts';
import { openImageProcessor } from '../../src/load/images/open-image-processor.ts';
import { pixelValues } from '../../src/load/images/pixel-values.ts';
import { expectedTensors, inputFile, largestDifference, picture } from './input-support.ts';

interface Case {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly settings: Record<string, unknown>;
}

const cases = JSON.parse(readFileSync(inputFile('pixel-values.json'), 'utf8')) as Case[];
const expected = await expectedTensors('pixel-values.safetensors');

describe('pixel values', () => {
  it.each(cases.map((one) => [one.name, one] as const))('%s are those of the reference', (name, one) => {
    const { shape, values } = expected.get(name)!;
    const processor = readImageProcessor(one.settings, 'preprocessor_config.json');
    const result = pixelValues(picture(one.width, one.height), processor);
    expect([3, result.height, result.width]).toEqual(shape);
    expect(largestDifference(result.data, values)).toBeLessThanOrEqual(name.startsWith('dinov3') ? 1e-5 : 0);
    expect([result.seen.height, result.seen.width]).toEqual([result.height, result.width]);
  });

  it('come with the picture that the model sees', () => {
    const processor = readImageProcessor({ image_processor_type: 'ViTImageProcessor', size: 4 }, 'x');
    const { seen, data } = pixelValues(picture(9, 9), processor);
    // Plane C, pixel p: 2 · value / 255 - 1.
    for (let c = 0; c < 3; c++)
      for (let p = 0; p < 16; p++) expect(data[c * 16 + p]).toBeCloseTo((2 * seen.data[p * 3 + c]!) / 255 - 1, 6);
  });

  it('refuses a strip whose longer edge would fill the memory', () => {
    const processor = readImageProcessor({ image_processor_type: 'CLIPImageProcessor' }, 'x');
    const strip = { width: 1, height: 1_000_000, data: new Uint8Array(3_000_000) };
    expect(() => pixelValues(strip, processor, 'strip.png')).toThrow(
      'strip.png: 1 × 1000000 pixels would become 224 × 224000000; cut it to a usual shape first',
    );
  });
});

describe('preprocessor_config.json', () => {
  const read = (settings: Record<string, unknown>) => () => readImageProcessor(settings, 'm/preprocessor_config.json');
  const vit = { image_processor_type: 'ViTImageProcessor' };

  it.each([
    [{ ...vit, mirror: true }, 'this key is not understood and may change results: "mirror"'],
    [{ image_processor_type: 'SamImageProcessor' }, '"image_processor_type" expected one of ViTImageProcessor, DeiT'],
    [{}, '"feature_extractor_type" expected a string, got nothing'],
    [{ ...vit, size: { height: 8 } }, '"size.width" expected a whole number from 1 to 4096, got nothing'],
    [{ ...vit, size: { longest_edge: 8 } }, '"size.height" expected a whole number'],
    [{ ...vit, size: { height: 8, width: 8, depth: 8 } }, 'may change results: "size.depth"'],
    [{ ...vit, size: 1e9 }, '"size" expected a whole number from 1 to 4096, or an object, got 1000000000'],
    [{ ...vit, resample: 9 }, '"resample" expected one of 0, 1, 2, 3, 4, 5, got 9'],
    [{ ...vit, image_std: [0.5, 0, 0.5] }, '"image_std" expected a number, or a list of three, from 0.000001 to 255'],
    [{ ...vit, image_mean: [0.5] }, '"image_mean" expected a number, or a list of three'],
    [{ ...vit, do_pad: true }, '"do_pad" expected false, got true'],
    [
      { image_processor_type: 'DINOv3ViTImageProcessor', resample: 0 },
      '"resample" expected 2 (bilinear) or 3 (bicubic)',
    ],
    [{ ...vit, auto_map: { AutoImageProcessor: 'code.Mine' } }, 'may change results: "auto_map"'],
  ])('%j is refused', (settings, message) => {
    expect(read(settings)).toThrow(message);
  });

  it('reads what checkpoints carry besides: nulls, backends, class names', () => {
    const fast = read({
      ...{
        image_processor_type: 'BitImageProcessorFast',
        crop_size: { height: 224, width: 224 },
        data_format: 'channels_first',
      },
      ...{
        default_to_square: false,
        device: null,
        input_data_format: null,
        return_tensors: null,
        size: { shortest_edge: 256 },
      },
      ...{
        do_convert_rgb: true,
        do_pad: null,
        processor_class: 'Some',
        resample: 3,
        rescale_factor: 0.00392156862745098,
      },
    })();
    expect(fast.type).toBe('BitImageProcessor');
    expect(fast.resize).toEqual({ filter: 'bicubic', size: { shortestEdge: 256 } });
    expect(fast.crop).toEqual({ height: 224, width: 224 });
  });

  it('is scaled to another edge with the proportion of resizing and crop', () => {
    const { resize, crop } = withEdge(
      read({ image_processor_type: 'BitImageProcessor', size: { shortest_edge: 256 } })(),
      518,
    );
    expect(resize?.size).toEqual({ shortestEdge: 592 });
    expect(crop).toEqual({ height: 518, width: 518 });
  });
});

describe('the image processor of a folder', () => {
  const folder = (files: Record<string, unknown>) =>
    memoryFolder(
      'm',
      new Map(Object.entries(files).map(([name, value]) => [name, new TextEncoder().encode(JSON.stringify(value))])),
    );

  it('is its own file, or that part of processor_config.json', async () => {
    const own = { image_processor_type: 'ViTImageProcessor', size: 32 };
    const one = await openImageProcessor(folder({ 'preprocessor_config.json': own }), { type: 'vit' });
    expect(one.processor.resize?.size).toEqual({ height: 32, width: 32 });
    expect(one).toMatchObject({ place: 'm/preprocessor_config.json' });
    expect(one.note).toBeUndefined();
    const nested = { processor_class: 'LlavaProcessor', image_processor: { ...own, size: 16 } };
    const both = folder({ 'preprocessor_config.json': own, 'processor_config.json': nested });
    const two = await openImageProcessor(both, { type: 'vit' });
    expect(two.processor.resize?.size).toEqual({ height: 16, width: 16 });
    expect(two.place).toBe('m/processor_config.json, "image_processor"');
  });

  it('is the usual one of the model type where there is no file, and says so', async () => {
    const dinov2 = await openImageProcessor(folder({}), { type: 'dinov2_with_registers' });
    expect(dinov2.processor).toMatchObject({
      ...{ type: 'BitImageProcessor', resize: { filter: 'bicubic', size: { shortestEdge: 256 } } },
      ...{ crop: { height: 224, width: 224 }, normalize: { mean: [0.485, 0.456, 0.406] } },
    });
    expect(dinov2.note).toBe(
      'm has no preprocessor_config.json: pictures are prepared as by BitImageProcessor at 224 × 224 pixels',
    );
    const vit = await openImageProcessor(folder({}), { type: 'vit', imageSize: 30 });
    expect(vit.processor.resize?.size).toEqual({ height: 30, width: 30 });
    expect(vit.note).toContain('ViTImageProcessor at 30 × 30 pixels');
  });

  it('is refused for a model type without a usual one', async () => {
    await expect(openImageProcessor(folder({}), { type: 'bert' })).rejects.toThrow(
      'm: no preprocessor_config.json, and no default for model type "bert"; copy the file there',
    );
  });
});
