import { bicubic, type Kernel, windows } from './filters.ts';
import type { RgbImage } from './rgb-image.ts';

/** Filters in the numbering of the files (Pillow's `Resampling`). */
export const resampleFilters = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'] as const;

export type ResampleFilter = (typeof resampleFilters)[number];

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const kernels: Readonly<Record<Exclude<ResampleFilter, 'nearest'>, Kernel>> = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    at: (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x))),
  },
  bicubic,
  lanczos: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

const BITS = 22;

/**
 * Resizes as Pillow's `Image.resize` does on 8-bit pixels: first rows, then columns, weights in 22-bit fixed point, the result of
 * each pass rounded to 8 bits. Equal to it in every byte.
 */
export function resizeBytes(image: RgbImage, width: number, height: number, filter: ResampleFilter): RgbImage {
  if (width === image.width && height === image.height) return image;
  if (filter === 'nearest') return nearest(image, width, height);
  const kernel = kernels[filter];
  const across = pass(image.data, image.height, image.width, width, kernel, false);
  const data = pass(across, width, image.height, height, kernel, true);
  return { width, height, data };
}

/** One pass along rows, or along columns; `others` is the size of the axis that stays. */
function pass(
  data: Uint8Array,
  others: number,
  from: number,
  to: number,
  kernel: Kernel,
  columns: boolean,
): Uint8Array {
  if (from === to) return data;
  const result = new Uint8Array(others * to * 3);
  const step = columns ? others * 3 : 3;
  const [lineIn, lineOut] = columns ? [3, 3] : [from * 3, to * 3];
  const fixed = windows(from, to, kernel).map(({ first, weights }) => ({
    first,
    weights: Int32Array.from(weights, (weight) => Math.trunc(weight * 2 ** BITS + (weight < 0 ? -0.5 : 0.5))),
  }));
  for (const [i, { first, weights }] of fixed.entries()) {
    for (let line = 0; line < others; line++) {
      let red = 1 << (BITS - 1);
      let green = red;
      let blue = red;
      let at = line * lineIn + first * step;
      for (let k = 0; k < weights.length; k++, at += step) {
        const weight = weights[k]!;
        red += data[at]! * weight;
        green += data[at + 1]! * weight;
        blue += data[at + 2]! * weight;
      }
      const out = line * lineOut + i * step;
      result[out] = byte(red);
      result[out + 1] = byte(green);
      result[out + 2] = byte(blue);
    }
  }
  return result;
}

const byte = (sum: number) => Math.min(Math.max(sum >> BITS, 0), 255);

function nearest({ width: from, height: rows, data }: RgbImage, width: number, height: number): RgbImage {
  const columnOf = places(from, width);
  const rowOf = places(rows, height);
  const result = new Uint8Array(width * height * 3);
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++, to += 3) {
      const at = (rowOf[y]! * from + columnOf[x]!) * 3;
      result.set(data.subarray(at, at + 3), to);
    }
  return { width, height, data: result };
}

/** Positions are summed up, not multiplied, as the reference's rounding depends on it. */
function places(from: number, to: number): Int32Array {
  const scale = from / to;
  let place = scale * 0.5;
  return Int32Array.from({ length: to }, () => {
    const at = Math.min(Math.trunc(place), from - 1);
    place += scale;
    return at;
  });
}

/** Resizes [Y, X, C] real numbers with the same windows and without rounding, as PyTorch's antialiased interpolation does. */
export function resizeFloats(
  { width: from, height: rows, data }: { width: number; height: number; data: Float32Array },
  width: number,
  height: number,
  filter: 'bilinear' | 'bicubic',
): Float32Array {
  const across = new Float32Array(rows * width * 3);
  for (const [x, { first, weights }] of windows(from, width, kernels[filter]).entries())
    for (let y = 0; y < rows; y++)
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k]! * data[(y * from + first + k) * 3 + c]!;
        across[(y * width + x) * 3 + c] = sum;
      }
  const result = new Float32Array(height * width * 3);
  const line = width * 3;
  for (const [y, { first, weights }] of windows(rows, height, kernels[filter]).entries())
    for (let i = 0; i < line; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * across[(first + k) * line + i]!;
      result[y * line + i] = sum;
    }
  return result;
}
