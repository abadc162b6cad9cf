import { InputError, LoadError } from '../../error.ts';
import { readImageHeader } from './image-header.ts';
import { MAXIMUM_IMAGE_BYTES, type RgbImage } from './rgb-image.ts';

/**
 * Decodes a JPEG, PNG, WebP or GIF picture in the page, by the browser's own decoder. The EXIF orientation is applied, transparency
 * is laid on white and colour profiles are ignored. Where a browser decodes JPEG or blends otherwise than `decodeImage` in Node,
 * single pixels differ by a few grey levels; opaque PNG is equal.
 * @param source bytes, or a file chosen in the page.
 * @throws LoadError for another format, CMYK or a picture that the browser cannot decode; InputError when it is over 200 MB or 100 million pixels.
 */
export async function decodeImageInPage(source: Blob | Uint8Array<ArrayBuffer>, name: string): Promise<RgbImage> {
  const blob = source instanceof Blob ? source : new Blob([source]);
  if (blob.size > MAXIMUM_IMAGE_BYTES)
    throw new InputError(
      `${name}: ${blob.size} bytes, pictures of at most ${MAXIMUM_IMAGE_BYTES / 1e6} MB are read; make it smaller first`,
    );
  readImageHeader(new Uint8Array(await blob.arrayBuffer()), name);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none', imageOrientation: 'from-image' });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LoadError(`${name}: the browser cannot decode the picture (${reason}); use another copy of it`);
  }
  try {
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true, alpha: false });
    if (context === null)
      throw new LoadError(
        `${name}: the browser has no canvas of ${width} × ${height} pixels; make the picture smaller`,
      );
    context.fillStyle = 'white';
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    const rgba = context.getImageData(0, 0, width, height).data;
    const data = new Uint8Array(width * height * 3);
    for (let from = 0, to = 0; to < data.length; from += 4) {
      data[to++] = rgba[from]!;
      data[to++] = rgba[from + 1]!;
      data[to++] = rgba[from + 2]!;
    }
    return { width, height, data };
  } finally {
    bitmap.close();
  }
}
