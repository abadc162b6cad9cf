import { LoadError } from '../../error.ts';
import type { ByteFolder } from '../byte-folder.ts';
import { readPreprocessor } from '../preprocessor.ts';
import { type ImageProcessor, readImageProcessor, withEdge } from './image-processor.ts';
import { modelDefaults } from './image-processor-types.ts';

/** A processor and where it is from. */
export interface OpenedImageProcessor {
  readonly processor: ImageProcessor;
  /** The file, or undefined when the folder has none. */
  readonly place?: string;
  /** Says what was assumed where the folder has no file. */
  readonly note?: string;
}

/**
 * The image processor of a checkpoint's folder. A folder without one gets what the released checkpoints of its model type use, and
 * a note that says so.
 * @param model.type `model_type` of `config.json`.
 * @param model.imageSize `image_size` of its vision part: the edge that a default is scaled to. A file is taken as it is.
 * @throws LoadError when the file is malformed, or there is none and the model type has no default.
 */
export async function openImageProcessor(
  folder: ByteFolder,
  model: { readonly type: string; readonly imageSize?: number },
): Promise<OpenedImageProcessor> {
  const usual = Object.hasOwn(modelDefaults, model.type) ? modelDefaults[model.type] : undefined;
  const file = await readPreprocessor(folder, 'image_processor');
  if (file !== undefined)
    return { processor: readImageProcessor(file.values, file.place, usual?.type), place: file.place };
  if (usual === undefined)
    throw new LoadError(
      `${folder.name}: no preprocessor_config.json, and no default for model type "${model.type}"; copy the file there`,
    );
  const named = readImageProcessor({ image_processor_type: usual.type, ...usual.settings }, 'default');
  const edge = model.imageSize ?? usual.edge;
  const processor = edge === usual.edge ? named : withEdge(named, edge);
  return {
    processor,
    note: `${folder.name} has no preprocessor_config.json: pictures are prepared as by ${usual.type} at ${edge} × ${edge} pixels`,
  };
}
