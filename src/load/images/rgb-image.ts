import { InputError } from '../../error.ts';

/** A decoded picture. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  /** [Y, X, C]: red, green, blue of each pixel in 0 to 255, rows from top to bottom. */
  readonly data: Uint8Array;
}

/** Largest picture that is decoded: 100 million pixels (300 MB as RGB). */
export const MAXIMUM_PIXELS = 100_000_000;

/** Largest image file that is read, in bytes. */
export const MAXIMUM_IMAGE_BYTES = 200_000_000;

/**
 * Refuses a picture without pixels, or with more than are decoded.
 * @throws InputError naming the file and the size.
 */
export function checkPixels(width: number, height: number, name: string): void {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
    throw new InputError(`${name}: ${width} × ${height} pixels; a picture needs at least one`);
  if (width * height > MAXIMUM_PIXELS)
    throw new InputError(
      `${name}: ${width} × ${height} pixels, at most ${MAXIMUM_PIXELS / 1e6} million are decoded; make it smaller first`,
    );
}

/**
 * RGB of RGBA pixels laid on white, in the integer arithmetic of Pillow's `alpha_composite`.
 * @param rgba [Y, X, 4], colours not multiplied by alpha.
 */
export function flattenOnWhite(rgba: Uint8Array, width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    // 7 more bits than a byte; the white background has weight 255 · 2^7 - share.
    const share = rgba[from + 3]! * 128;
    for (let c = 0; c < 3; c++) {
      const sum = rgba[from + c]! * share + 255 * (255 * 128 - share) + 0x4000;
      data[to + c] = (((sum >> 8) + sum) >> 8) >> 7;
    }
  }
  return { width, height, data };
}
