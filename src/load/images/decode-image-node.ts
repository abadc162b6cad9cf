import type { Sharp, SharpOptions } from 'sharp';
import { InputError, LoadError } from '../../error.ts';
import { openFile } from '../bytes-node.ts';
import { readImageHeader } from './image-header.ts';
import { checkPixels, flattenOnWhite, MAXIMUM_IMAGE_BYTES, MAXIMUM_PIXELS, type RgbImage } from './rgb-image.ts';

/**
 * Reads and decodes a picture file in Node; see `decodeImage`.
 * @throws LoadError when the file cannot be read or decoded; InputError when it is over 200 MB or 100 million pixels.
 */
export async function openImage(path: string): Promise<RgbImage> {
  const file = await openFile(path, path);
  try {
    if (file.size > MAXIMUM_IMAGE_BYTES)
      throw new InputError(
        `${path}: ${file.size} bytes, pictures of at most ${MAXIMUM_IMAGE_BYTES / 1e6} MB are read; make it smaller first`,
      );
    return await decodeImage(await file.read(0, file.size), path);
  } finally {
    await file.close();
  }
}

/**
 * Decodes a JPEG, PNG, WebP or GIF (first frame) picture in Node. The EXIF orientation is applied, transparency is laid on white,
 * grey and palette pictures become RGB, of 16 bits a colour the upper 8 are kept, and colour profiles are ignored: the bytes are
 * those of Pillow, except that Pillow saturates a grey picture of 16 bits to white.
 * @param name names the file in errors.
 * @throws LoadError for another format, a damaged file or CMYK, or where `sharp` is not installed; InputError for over 100 million pixels.
 */
export async function decodeImage(bytes: Uint8Array, name: string): Promise<RgbImage> {
  readImageHeader(bytes, name);
  const sharp = await loadSharp(name);
  const { data, info } = await sharp(bytes, {
    autoOrient: true,
    ignoreIcc: true,
    limitInputPixels: MAXIMUM_PIXELS,
    failOn: 'error',
  })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw new LoadError(
        `${name}: the picture cannot be decoded (${reason.split('\n')[0]?.slice(0, 200)}); use another copy of it`,
      );
    });
  const { width, height, channels } = info;
  checkPixels(width, height, name);
  if (data.length !== width * height * channels || channels < 3)
    throw new LoadError(`${name}: decoded to ${channels} channels, expected red, green, blue; convert it to RGB`);
  const pixels = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return channels === 4 ? flattenOnWhite(pixels, width, height) : { width, height, data: pixels };
}

/** Optional: its binaries do not exist for every system, and only pictures need it. */
async function loadSharp(name: string): Promise<(input: Uint8Array, options: SharpOptions) => Sharp> {
  try {
    return (await import('sharp')).default;
  } catch {
    throw new LoadError(
      `${name}: pictures are decoded by the package "sharp", which is not installed: npm install sharp`,
    );
  }
}
