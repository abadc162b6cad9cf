import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeImage, openImage } from '../../src/load/images/decode-image-node.ts';
import { readImageHeader } from '../../src/load/images/image-header.ts';
import { flattenOnWhite } from '../../src/load/images/rgb-image.ts';
import { expectedTensors, inputFile } from './input-support.ts';

const bytesOf = (name: string) => new Uint8Array(readFileSync(inputFile(name)));
const expected = await expectedTensors('decoded.safetensors');

describe('a decoded picture', () => {
  it.each([...expected])('%s has the bytes of the reference', async (name, { shape, values }) => {
    const image = await openImage(inputFile(name));
    expect([image.height, image.width, 3]).toEqual(shape);
    expect(Array.from(image.data)).toEqual(Array.from(values));
  });

  it('is turned as its EXIF orientation says', async () => {
    const { width, height } = await openImage(inputFile('orientation-6.jpg'));
    expect([width, height]).toEqual([9, 12]);
    expect(readImageHeader(bytesOf('orientation-6.jpg'), 'x')).toEqual({ format: 'JPEG', width: 12, height: 9 });
  });

  it('has transparency laid on white: opaque stays, clear is white, half is in between', () => {
    const rgba = Uint8Array.of(10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 255, 128);
    expect([...flattenOnWhite(rgba, 3, 1).data]).toEqual([10, 20, 30, 255, 255, 255, 127, 177, 255]);
  });
});

describe('a picture that cannot be decoded', () => {
  it('is refused by name when it is of another format', async () => {
    await expect(decodeImage(new TextEncoder().encode('<svg xmlns="x"></svg>'), 'a.svg')).rejects.toThrow(
      'a.svg: expected a JPEG, PNG, WebP or GIF picture; save it as one of these',
    );
    await expect(decodeImage(new Uint8Array(0), 'empty')).rejects.toThrow('empty: expected a JPEG');
  });

  it('is refused by name when it is CMYK', async () => {
    await expect(openImage(inputFile('cmyk.jpg'))).rejects.toThrow(
      'cmyk.jpg: a JPEG of 4 colour components (CMYK); convert it to RGB',
    );
  });

  it('is refused before decoding when its header states over 100 million pixels', async () => {
    const bytes = bytesOf('rgb.png');
    new DataView(bytes.buffer).setUint32(16, 2_000_000_000);
    await expect(decodeImage(bytes, 'bomb.png')).rejects.toThrow(
      'bomb.png: 2000000000 × 9 pixels, at most 100 million are decoded; make it smaller first',
    );
    new DataView(bytes.buffer).setUint32(16, 0);
    await expect(decodeImage(bytes, 'none.png')).rejects.toThrow(
      'none.png: 0 × 9 pixels; a picture needs at least one',
    );
  });

  it.each(['rgb.png', 'orientation-1.jpg', 'lossless.webp', 'transparent.gif'])(
    '%s cut off at any tenth is a LoadError with its name, never a picture of another size',
    async (name) => {
      const bytes = bytesOf(name);
      for (let tenth = 1; tenth < 10; tenth++) {
        const cut = bytes.slice(0, Math.floor((bytes.length * tenth) / 10));
        const result = await decodeImage(cut, 'cut').catch((error: Error) => error);
        if (result instanceof Error) {
          expect(result.name).toBe('LoadError');
          expect(result.message).toMatch(/^cut: /);
        } else expect([result.width, result.height]).toEqual([12, 9]);
      }
    },
  );

  it('is refused when the file is missing', async () => {
    await expect(openImage(inputFile('absent.png'))).rejects.toThrow(
      'absent.png: cannot be opened (no such file or folder)',
    );
  });
});
