import { LoadError } from '../error.ts';
import type { ByteFolder } from './byte-folder.ts';
import { parseJsonObject, show } from './strict-json.ts';

/** Old files of speech models carry their filter table: 80 × 201 numbers are 400 kB. */
const MAXIMUM_BYTES = 4_000_000;

/** The settings of one kind of input, and the file they are from. */
export interface PreprocessorFile {
  readonly values: Readonly<Record<string, unknown>>;
  /** `FOLDER/preprocessor_config.json`, for errors. */
  readonly place: string;
}

/**
 * The settings for pictures or sound of a checkpoint's folder: that part of `processor_config.json`, else `preprocessor_config.json`;
 * undefined where there is neither.
 * @throws LoadError when a file is malformed or over 4 MB.
 */
export async function readPreprocessor(
  folder: ByteFolder,
  part: 'image_processor' | 'feature_extractor',
): Promise<PreprocessorFile | undefined> {
  const names = await folder.list();
  if (names.includes('processor_config.json')) {
    const { values, place } = await readFile(folder, 'processor_config.json');
    const own = values[part];
    if (typeof own === 'object' && own !== null && !Array.isArray(own))
      return { values: Object.fromEntries(Object.entries(own)), place: `${place}, "${part}"` };
    if (own !== undefined && own !== null)
      throw new LoadError(`${place}: "${part}" expected an object, got ${show(own)}`);
  }
  if (!names.includes('preprocessor_config.json')) return undefined;
  return readFile(folder, 'preprocessor_config.json');
}

async function readFile(folder: ByteFolder, name: string): Promise<PreprocessorFile> {
  const place = `${folder.name}/${name}`;
  const file = await folder.open(name);
  try {
    if (file.size > MAXIMUM_BYTES)
      throw new LoadError(
        `${place}: ${file.size} bytes, at most ${MAXIMUM_BYTES} are read; use another copy of the model`,
      );
    return { values: parseJsonObject(await file.read(0, file.size), place), place };
  } finally {
    await file.close();
  }
}
