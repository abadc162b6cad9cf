import { LoadError } from '../error.ts';
import { openFile, openFolder, splitPath } from './bytes-node.ts';
import type { GgufCheckpoint } from './gguf.ts';
import { openGguf } from './gguf.ts';
import { openSafetensors, type SafetensorsOptions } from './safetensors.ts';

/**
 * Opens a checkpoint on disk: a folder with safetensors files (or one single GGUF file), a `.safetensors` file with its
 * `config.json` beside it, or a `.gguf` file. Links out of the model's folder, pickles and anything else are a LoadError.
 */
export async function openLocal(path: string, options: Omit<SafetensorsOptions, 'file'> = {}): Promise<GgufCheckpoint> {
  const { folder: folderPath, file } = await splitPath(path);
  const folder = await openFolder(folderPath);
  const named = { source: path, ...options };
  if (file?.endsWith('.gguf')) return openGguf(await openFile(path), named);
  if (file !== undefined) return openSafetensors(folder, { ...named, file });
  const names = await folder.list();
  const ggufs = names.filter((name) => name.endsWith('.gguf'));
  if (ggufs.length === 0 || names.some((name) => name.endsWith('.safetensors'))) return openSafetensors(folder, named);
  if (ggufs.length > 1)
    throw new LoadError(`${path}: holds several GGUF files, name one: ${ggufs.slice(0, 8).join(', ')}`);
  return openGguf(await folder.open(ggufs[0]!), named);
}
