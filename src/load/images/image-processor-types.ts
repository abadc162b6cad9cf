import type { ResampleFilter } from './resample.ts';

/** What the processor of a name does where its file says nothing. */
export interface ProcessorDefaults {
  readonly size: SizeValue;
  /** Present: the middle of the picture is cut out. */
  readonly crop?: number;
  readonly resample: ResampleFilter;
  readonly mean: Triple;
  readonly std: Triple;
  /** A size given as one number is the shortest edge, not a square. */
  readonly numberIsShortestEdge?: true;
  /** Values are scaled before the picture is resized, so it is resized without rounding. */
  readonly resizesScaled?: true;
  /** `do_pad` makes the picture square before it is resized. */
  readonly padsToSquare?: true;
}

export type Triple = readonly [number, number, number];

export type SizeValue =
  | { readonly height: number; readonly width: number }
  | { readonly shortestEdge: number; readonly longestEdge?: number };

const half: Triple = [0.5, 0.5, 0.5];
const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
const clip = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
} as const;
const square = (edge: number) => ({ height: edge, width: edge });

const clipLike: ProcessorDefaults = {
  size: { shortestEdge: 224 },
  crop: 224,
  resample: 'bicubic',
  ...clip,
  numberIsShortestEdge: true,
};

/** By `image_processor_type`, without the endings that name a backend. */
export const processorTypes: Readonly<Record<string, ProcessorDefaults>> = {
  ViTImageProcessor: { size: square(224), resample: 'bilinear', mean: half, std: half },
  DeiTImageProcessor: { size: square(256), crop: 224, resample: 'bicubic', mean: half, std: half },
  BitImageProcessor: clipLike,
  CLIPImageProcessor: clipLike,
  LlavaImageProcessor: { ...clipLike, padsToSquare: true },
  SiglipImageProcessor: {
    size: square(224),
    resample: 'bicubic',
    mean: half,
    std: half,
    numberIsShortestEdge: true,
  },
  DINOv3ViTImageProcessor: { size: square(224), resample: 'bilinear', ...imagenet, resizesScaled: true },
};

/** The settings that the first released checkpoints of a model type carry, for folders without a file of their own. */
export interface ModelDefaults {
  readonly type: string;
  /** Differ from those of the processor. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Edge of the picture that the settings lead to. */
  readonly edge: number;
}

const dinov2: ModelDefaults = {
  type: 'BitImageProcessor',
  settings: { size: { shortest_edge: 256 }, image_mean: imagenet.mean, image_std: imagenet.std },
  edge: 224,
};
const clipModel: ModelDefaults = { type: 'CLIPImageProcessor', edge: 224 };
const siglipModel: ModelDefaults = { type: 'SiglipImageProcessor', edge: 224 };

/** By `model_type` of `config.json`. */
export const modelDefaults: Readonly<Record<string, ModelDefaults>> = {
  vit: { type: 'ViTImageProcessor', edge: 224 },
  deit: {
    type: 'DeiTImageProcessor',
    settings: { image_mean: imagenet.mean, image_std: imagenet.std },
    edge: 224,
  },
  dinov2,
  dinov2_with_registers: dinov2,
  dinov3_vit: { type: 'DINOv3ViTImageProcessor', edge: 224 },
  clip: clipModel,
  clip_vision_model: clipModel,
  siglip: siglipModel,
  siglip_vision_model: siglipModel,
  llava: {
    type: 'CLIPImageProcessor',
    settings: { size: { shortest_edge: 336 }, crop_size: { height: 336, width: 336 } },
    edge: 336,
  },
};
