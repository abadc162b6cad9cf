import { InputError } from '../../error.ts';
import type { ImageProcessor } from './image-processor.ts';
import type { SizeValue, Triple } from './image-processor-types.ts';
import { resizeBytes, resizeFloats } from './resample.ts';
import { checkPixels, type RgbImage } from './rgb-image.ts';

/** What a vision model reads. */
export interface PixelValues {
  /** [C, Y, X]: the planes red, green, blue, rows from top to bottom. */
  readonly data: Float32Array;
  readonly width: number;
  readonly height: number;
  /** The same picture before its values were scaled: resized and cut, to draw on. */
  readonly seen: RgbImage;
}

/** Largest picture after resizing, in pixels: a narrow strip whose shortest edge is enlarged would fill the memory. */
const LARGEST_RESULT = 16_777_216;

/**
 * Prepares a picture for a model: square, resize, cut the middle, scale and normalise, each where the processor says so. 8-bit
 * steps are computed as Pillow computes them, values as float32.
 * @throws InputError when the picture would be over 16.8 million pixels after resizing.
 */
export function pixelValues(image: RgbImage, processor: ImageProcessor, name = 'picture'): PixelValues {
  checkPixels(image.width, image.height, name);
  const { padToSquare, resize, crop } = processor;
  const squared = padToSquare === undefined ? image : onSquare(image, padToSquare);
  const size = resize === undefined ? squared : targetSize(squared, resize.size);
  if (size.width < 1 || size.height < 1 || size.width * size.height > LARGEST_RESULT)
    throw new InputError(
      `${name}: ${image.width} × ${image.height} pixels would become ${size.width} × ${size.height}; cut it to a usual shape first`,
    );
  if (processor.resizesScaled) return scaledFirst(squared, size, processor);
  const resized = resize === undefined ? squared : resizeBytes(squared, size.width, size.height, resize.filter);
  const seen = crop === undefined ? resized : cropBytes(resized, crop.width, crop.height);
  const planes = [0, 1, 2].map((c) =>
    Float32Array.from({ length: 256 }, (_, value) => normalized(scaled(value, processor), c, processor)),
  );
  return { ...toPlanes(seen, (value, c) => planes[c]?.[value] ?? 0), seen };
}

/** Scale, then resize, then normalise. */
function scaledFirst(image: RgbImage, size: { width: number; height: number }, processor: ImageProcessor): PixelValues {
  const { width, height } = size;
  const values = Float32Array.from(image.data, (value) => scaled(value, processor));
  const filter = processor.resize?.filter === 'bicubic' ? 'bicubic' : 'bilinear';
  const same = width === image.width && height === image.height;
  const data = same ? values : resizeFloats({ ...image, data: values }, width, height, filter);
  const { scale = 1 } = processor;
  const seen = { width, height, data: Uint8Array.from(data, (v) => Math.min(Math.max(Math.round(v / scale), 0), 255)) };
  return { ...toPlanes({ width, height, data }, (value, c) => normalized(value, c, processor)), seen };
}

const scaled = (value: number, { scale }: ImageProcessor) => (scale === undefined ? value : Math.fround(value * scale));

function normalized(value: number, c: number, { normalize }: ImageProcessor): number {
  if (normalize === undefined) return value;
  const [mean, std] = [Math.fround(normalize.mean[c] ?? 0), Math.fround(normalize.std[c] ?? 1)];
  return Math.fround(Math.fround(value - mean) / std);
}

/** [Y, X, C] to [C, Y, X], each value through `map`. */
function toPlanes(
  { width, height, data }: { width: number; height: number; data: Uint8Array | Float32Array },
  map: (value: number, c: number) => number,
): { data: Float32Array; width: number; height: number } {
  const area = width * height;
  const planes = new Float32Array(3 * area);
  for (let c = 0; c < 3; c++)
    for (let pixel = 0; pixel < area; pixel++) planes[c * area + pixel] = map(data[pixel * 3 + c]!, c);
  return { data: planes, width, height };
}

/** Edges are cut to whole pixels, not rounded, as in the reference. */
function targetSize({ width, height }: RgbImage, size: SizeValue): { width: number; height: number } {
  if ('height' in size) return size;
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  const { shortestEdge, longestEdge } = size;
  let result: { short: number; long: number };
  if (longestEdge !== undefined && (long / short) * shortestEdge > longestEdge) {
    const exact = (longestEdge * short) / long;
    result = { short: roundHalfToEven(exact), long: Math.trunc((exact * long) / short) };
    if (result.short === short) result.long = long;
  } else result = { short: shortestEdge, long: Math.trunc((shortestEdge * long) / short) };
  return width <= height ? { width: result.short, height: result.long } : { width: result.long, height: result.short };
}

function roundHalfToEven(value: number): number {
  const down = Math.floor(value);
  if (value - down !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}

function onSquare({ width, height, data }: RgbImage, colour: Triple): RgbImage {
  if (width === height) return { width, height, data };
  const edge = Math.max(width, height);
  checkPixels(edge, edge, 'picture made square');
  const result = new Uint8Array(edge * edge * 3);
  for (let at = 0; at < result.length; at++) result[at] = colour[at % 3]!;
  const [left, top] = [(edge - width) >> 1, (edge - height) >> 1];
  for (let y = 0; y < height; y++)
    result.set(data.subarray(y * width * 3, (y + 1) * width * 3), ((y + top) * edge + left) * 3);
  return { width: edge, height: edge, data: result };
}

/** The middle; where the picture is smaller, black around it. */
function cropBytes(image: RgbImage, width: number, height: number): RgbImage {
  if (image.width === width && image.height === height) return image;
  const [left, top] = [offset(image.width, width), offset(image.height, height)];
  const data = new Uint8Array(width * height * 3);
  const columns = Math.min(image.width, width);
  for (let y = 0; y < Math.min(image.height, height); y++) {
    const from = ((y + Math.max(top, 0)) * image.width + Math.max(left, 0)) * 3;
    data.set(image.data.subarray(from, from + columns * 3), ((y + Math.max(-top, 0)) * width + Math.max(-left, 0)) * 3);
  }
  return { width, height, data };
}

/** Place of the result in the picture; negative where black comes first. Of an odd rest of black, the larger half comes first. */
const offset = (size: number, wanted: number) =>
  wanted <= size ? (size - wanted) >> 1 : -Math.ceil((wanted - size) / 2);
