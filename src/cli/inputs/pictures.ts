import { dirname } from 'node:path';
import { InputError } from '../../error.ts';
import { openFolder } from '../../load/bytes-node.ts';
import { openImage } from '../../load/images/decode-image-node.ts';
import { withEdge } from '../../load/images/image-processor.ts';
import { openImageProcessor } from '../../load/images/open-image-processor.ts';
import { type PixelValues, pixelValues } from '../../load/images/pixel-values.ts';
import type { ResolvedModel } from '../../load/resolve-model-node.ts';
import { describePatches, type TokenInfo } from '../../load/token-roles.ts';
import { picturePreview } from '../../measure/picture-preview.ts';
import { gridOfForm, named } from '../../models/feed.ts';
import type { PixelBatch } from '../../models/input.ts';
import type { Model } from '../../models/model.ts';
import type { PixelStack } from '../../models/stack.ts';
import { type Opened, type PreparedInput, type ScanInputOptions, withoutIds } from './prepared.ts';

/** Pictures as a model reads them. */
export interface Pictures {
  /** One batch of one for each file. */
  readonly batches: readonly PixelBatch[];
  /** As they were cut and resized, to draw on. */
  readonly seen: readonly PixelValues['seen'][];
  readonly notes: readonly string[];
}

/** The folder that a model's other files lie in. */
export const folderOf = ({ kind, path }: ResolvedModel) => openFolder(kind === 'folder' ? path : dirname(path));

/** Decodes and prepares picture files for a stack, as the checkpoint's `preprocessor_config.json` says. Throws an InputError or LoadError by file name. */
export async function openPictures(
  model: Model,
  stack: PixelStack,
  paths: readonly string[],
  resolved: ResolvedModel,
): Promise<Pictures> {
  const { height, width, anySize } = stack.pixels;
  const type = String(model.checkpoint.config.model_type);
  const opened = await openImageProcessor(await folderOf(resolved), { type, imageSize: height });
  const notes = opened.note === undefined ? [] : [`${opened.note}.`];
  const values: PixelValues[] = [];
  for (const path of paths) {
    const image = await openImage(path);
    let made = pixelValues(image, opened.processor, path);
    if (!anySize && (made.width !== width || made.height !== height)) {
      if (width !== height)
        throw new InputError(
          `--image ${path}: is made ${made.width} × ${made.height}, the model reads ${width} × ${height}`,
        );
      made = pixelValues(image, withEdge(opened.processor, height), path);
      notes.push(`Pictures are prepared at ${height} × ${height} pixels, the only size that this model reads.`);
    }
    values.push(made);
  }
  return {
    batches: values.map(({ data, width: X, height: Y }) => ({ pixels: data, shape: [1, 3, Y, X] })),
    seen: values.map(({ seen }) => seen),
    notes: [...new Set(notes)],
  };
}

/** What stands at each position of a picture's stream. */
export const positionsOf = (stack: PixelStack, { shape: [, , Y, X] }: PixelBatch): TokenInfo[] =>
  describePatches(stack.leading, gridOfForm(stack, { pixels: { Y, X } }).grid!);

/** Pictures, the first of which is looked at. */
export async function pictureInput(
  model: Model,
  stack: PixelStack,
  { image = [] }: ScanInputOptions,
  { resolved }: Opened,
): Promise<PreparedInput> {
  if (image.length === 0) throw new InputError(`${named(stack)} reads pictures: give one or several with --image FILE`);
  const { batches, seen, notes } = await openPictures(model, stack, image, resolved);
  const tokens = positionsOf(stack, batches[0]!);
  const other = batches.findIndex(({ shape }) => shape.join() !== batches[0]!.shape.join());
  if (other >= 0)
    throw new InputError(
      `--image ${image[other]}: has another shape than ${image[0]}; scan pictures of one shape together`,
    );
  return {
    page: batches[0]!,
    tokens,
    ...(batches.length > 1 ? { texts: batches } : {}),
    told: {
      picture: picturePreview(seen[0]!),
      ...withoutIds(image[0]!, tokens),
      ...(batches.length > 1 ? { protocol: { texts: batches.length, tokens: tokens.length } } : {}),
    },
    notes: [...notes],
  };
}
