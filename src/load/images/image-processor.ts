import { ConfigReader } from '../config.ts';
import { processorTypes, type SizeValue, type Triple } from './image-processor-types.ts';
import { type ResampleFilter, resampleFilters } from './resample.ts';

/** How a picture becomes what a model reads, as `preprocessor_config.json` says. */
export interface ImageProcessor {
  /** `ViTImageProcessor`, `CLIPImageProcessor`, …, without an ending for a backend. */
  readonly type: string;
  /** The picture is made square first, on a background of this colour. */
  readonly padToSquare?: Triple;
  readonly resize?: { readonly filter: ResampleFilter; readonly size: SizeValue };
  /** The middle that is cut out; where the picture is smaller, black is added around it. */
  readonly crop?: { readonly height: number; readonly width: number };
  /** Factor on the values 0 to 255. */
  readonly scale?: number;
  /** (value - mean) / std by colour, after the factor. */
  readonly normalize?: { readonly mean: Triple; readonly std: Triple };
  /** The factor comes before resizing, which then rounds nothing. */
  readonly resizesScaled: boolean;
}

/** Far above any model's picture; bounds what a file can ask for. */
const LARGEST_EDGE = 4096;

/** Cannot change one picture's values. */
const harmless = [
  ...['processor_class', '_valid_processor_keys', '_processor_class', 'device', 'disable_grouping', 'return_tensors'],
  ...['feature_extractor_type', 'do_convert_rgb', 'image_seq_length', 'image_seq_len', 'backend'],
];

/**
 * Reads `preprocessor_config.json` of the processors of ViT, DeiT, DINOv2 (Bit), DINOv3, SigLIP, CLIP and LLaVA; endings `Fast` and
 * `Pil`, and the old `…FeatureExtractor`, name the same. What a file leaves out is as the processor of that name has it. Pictures
 * are RGB always, whatever `do_convert_rgb` says.
 * @param values the parsed file.
 * @param place names the file in errors.
 * @param fallback the processor where the file names none.
 * @throws LoadError for a processor or key that is not known, or a value that cannot be served.
 */
export function readImageProcessor(
  values: Readonly<Record<string, unknown>>,
  place: string,
  fallback?: string,
): ImageProcessor {
  const config = new ConfigReader(values, place).ignore(harmless);
  const typeKey = config.has('image_processor_type') ? 'image_processor_type' : 'feature_extractor_type';
  const named = config.string(typeKey, fallback === undefined ? {} : { default: fallback });
  const type = named.replace(/(Fast|Pil)$/, '').replace(/FeatureExtractor$/, 'ImageProcessor');
  const defaults = Object.hasOwn(processorTypes, type) ? processorTypes[type] : undefined;
  if (defaults === undefined) throw config.error(typeKey, `one of ${Object.keys(processorTypes).join(', ')}`);
  config.oneOf('data_format', ['channels_first'], { default: 'channels_first' });

  const shortest = !config.bool('default_to_square', { default: defaults.numberIsShortestEdge !== true });
  const size = readSize(config, 'size', shortest) ?? defaults.size;
  const code = config.oneOf('resample', [0, 1, 2, 3, 4, 5], { default: resampleFilters.indexOf(defaults.resample) });
  const filter = resampleFilters[code] ?? defaults.resample;
  if (defaults.resizesScaled && filter !== 'bilinear' && filter !== 'bicubic')
    throw config.error('resample', `2 (bilinear) or 3 (bicubic) for ${type}`);
  const resizes = config.bool('do_resize', { default: true });

  const crop = readSize(config, 'crop_size', false) ?? square(defaults.crop ?? 224);
  const crops = config.oneOf('do_center_crop', defaults.resizesScaled ? [false] : [true, false], {
    default: defaults.crop !== undefined,
  });
  if (crops && !('height' in crop)) throw config.error('crop_size', 'a number, or height and width');

  const scale = config.number('rescale_factor', { default: 1 / 255, min: 1e-9, max: 1 });
  const scales = config.bool('do_rescale', { default: true });
  const mean = readTriple(config, 'image_mean', -255, defaults.mean);
  const std = readTriple(config, 'image_std', 1e-6, defaults.std);
  const normalizes = config.bool('do_normalize', { default: true });
  const pads = defaults.padsToSquare
    ? config.bool('do_pad', { default: false })
    : config.oneOf('do_pad', [false], { default: false });
  config.done();
  return {
    type,
    ...(pads && { padToSquare: [toByte(mean[0]), toByte(mean[1]), toByte(mean[2])] as const }),
    ...(resizes && { resize: { filter, size } }),
    ...(crops && 'height' in crop && { crop }),
    ...(scales && { scale }),
    ...(normalizes && { normalize: { mean, std } }),
    resizesScaled: defaults.resizesScaled === true,
  };
}

const square = (edge: number): SizeValue => ({ height: edge, width: edge });
const toByte = (value: number) => Math.min(Math.max(Math.trunc(value * 255), 0), 255);

/** A number, `{height, width}` or `{shortest_edge}` with or without `longest_edge`. */
function readSize(config: ConfigReader, key: string, numberIsShortestEdge: boolean): SizeValue | undefined {
  const isNumber = (value: unknown): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= LARGEST_EDGE;
  const isObject = (value: unknown): value is object =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const value = config.value(
    key,
    `a whole number from 1 to ${LARGEST_EDGE}, or an object`,
    (value): value is number | object => isNumber(value) || isObject(value),
    { default: undefined },
  );
  if (value === undefined) return undefined;
  if (typeof value === 'number') return numberIsShortestEdge ? { shortestEdge: value } : square(value);
  const parts = config.object(key);
  if (parts === undefined) return undefined;
  const range = { min: 1, max: LARGEST_EDGE };
  if (!parts.has('shortest_edge')) return { height: parts.int('height', range), width: parts.int('width', range) };
  const longest = parts.int('longest_edge', { ...range, default: undefined });
  return { shortestEdge: parts.int('shortest_edge', range), ...(longest !== undefined && { longestEdge: longest }) };
}

/**
 * The same processor for pictures of another edge: a checkpoint whose positions are fixed can need one that its file does not name.
 * Resizing keeps its proportion to the crop (256 to 224 becomes 592 to 518).
 */
export function withEdge(processor: ImageProcessor, edge: number): ImageProcessor {
  const { resize, crop } = processor;
  const scaled = (value: number, from: number) => Math.round((value * edge) / from);
  if (crop !== undefined) {
    if (resize === undefined) return { ...processor, crop: { height: edge, width: edge } };
    const { size } = resize;
    const larger: SizeValue =
      'height' in size
        ? { height: scaled(size.height, crop.height), width: scaled(size.width, crop.width) }
        : { shortestEdge: scaled(size.shortestEdge, Math.min(crop.height, crop.width)) };
    return { ...processor, resize: { ...resize, size: larger }, crop: { height: edge, width: edge } };
  }
  return resize === undefined ? processor : { ...processor, resize: { ...resize, size: square(edge) } };
}

/** Three numbers, or one for all colours. */
function readTriple(config: ConfigReader, key: string, min: number, usual: Triple): Triple {
  const isNumber = (value: unknown) => typeof value === 'number' && value >= min && value <= 255;
  const value = config.value(
    key,
    `a number, or a list of three, from ${min} to 255`,
    (value): value is number | [number, number, number] =>
      isNumber(value) || (Array.isArray(value) && value.length === 3 && value.every(isNumber)),
    { default: usual },
  );
  return typeof value === 'number' ? [value, value, value] : value;
}
