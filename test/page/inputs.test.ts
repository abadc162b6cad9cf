import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAudioProcessor } from '../../src/load/audio/audio-processor.ts';
import { logMel } from '../../src/load/audio/log-mel.ts';
import { openAudio } from '../../src/load/audio/open-audio-node.ts';
import { openImage } from '../../src/load/images/decode-image-node.ts';
import { readImageProcessor } from '../../src/load/images/image-processor.ts';
import { pixelValues } from '../../src/load/images/pixel-values.ts';
import { inputFile, largestDifference } from '../load/input-support.ts';
import { needsChromium, type OpenPage, openPage } from './chromium.ts';

type Picture = { width: number; height: number; data: number[] };

describe.skipIf(needsChromium !== '')(`pictures and sounds in a real page${needsChromium}`, () => {
  let opened: OpenPage;
  beforeAll(async () => {
    opened = await openPage('./inputs.page.ts');
  });
  afterAll(() => opened?.[Symbol.asyncDispose]());

  // Grey levels by which a browser may differ: blending with white, and its own JPEG decoder.
  it.each([
    ['rgb.png', 0],
    ['grey.png', 0],
    ['palette.png', 0],
    ['one-bit.png', 0],
    ['rgb-16.png', 1],
    ['lossless.webp', 0],
    ['alpha.png', 1],
    ['palette-transparent.png', 0],
    ['transparent.gif', 0],
    ['orientation-6.jpg', 2],
  ])('%s is decoded as in Node, within %i grey levels', async (name, levels) => {
    const [there, here] = [await opened.call<Picture>('picture', name), await openImage(inputFile(name))];
    expect([there.width, there.height]).toEqual([here.width, here.height]);
    expect(largestDifference(there.data, here.data)).toBeLessThanOrEqual(levels);
  });

  it('pixel values are those of Node', async () => {
    const processor = readImageProcessor({ image_processor_type: 'ViTImageProcessor', size: 8 }, 'node');
    const expected = pixelValues(await openImage(inputFile('rgb.png')), processor);
    expect(await opened.call('values', 'rgb.png')).toEqual(Array.from(expected.data));
  });

  it.each(['tones.wav', 'tones.flac', 'tones.mp3'])(
    '%s is decoded as in Node, with the same features',
    async (name) => {
      const there = await opened.call<{ rate: number; samples: number[]; sum: number }>('sound', name);
      const here = await openAudio(inputFile(name));
      expect(there.rate).toBe(here.rate);
      expect(largestDifference(there.samples, here.samples)).toBe(0);
      const { data } = logMel(here, readAudioProcessor({ chunk_length: 1 }, 'node'));
      expect(there.sum).toBeCloseTo(
        data.reduce((a, b) => a + b, 0),
        2,
      );
    },
  );

  it('a picture that is none is refused as in Node', async () => {
    await expect(opened.call('picture', 'tones.wav')).rejects.toThrow('tones.wav: expected a JPEG, PNG, WebP or GIF');
    await expect(opened.call('picture', 'cmyk.jpg')).rejects.toThrow('cmyk.jpg: a JPEG of 4 colour components (CMYK)');
  });
});
