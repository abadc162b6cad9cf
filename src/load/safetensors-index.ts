import { LoadError } from '../error.ts';
import { parseJsonObject, quote, show } from './strict-json.ts';

/** Which file holds each tensor of a sharded checkpoint. */
export interface SafetensorsIndex {
  /** Tensor name to file name. */
  readonly fileOf: ReadonlyMap<string, string>;
  /** Distinct file names, sorted. */
  readonly files: readonly string[];
}

/** Reads `model.safetensors.index.json`: `weight_map` may name plain `.safetensors` files of the same folder only. */
export function parseSafetensorsIndex(bytes: Uint8Array, place: string): SafetensorsIndex {
  const index = new Map(Object.entries(parseJsonObject(bytes, place)));
  const weightMap = index.get('weight_map');
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap)) {
    throw new LoadError(`${place}: weight_map must be an object of file names, got ${show(weightMap)}`);
  }
  for (const key of index.keys()) {
    if (key !== 'weight_map' && key !== 'metadata') throw new LoadError(`${place}: unknown key ${quote(key)}`);
  }
  const fileOf = new Map<string, string>();
  for (const [tensor, file] of Object.entries(weightMap)) {
    if (typeof file !== 'string' || !/^[\w][\w.-]*\.safetensors$/.test(file)) {
      throw new LoadError(
        `${place}: tensor ${quote(tensor)} must lie in a plain .safetensors file of the same folder, got ${show(file)}`,
      );
    }
    fileOf.set(tensor, file);
  }
  if (fileOf.size === 0) throw new LoadError(`${place}: weight_map is empty`);
  return { fileOf, files: [...new Set(fileOf.values())].sort() };
}

/** Every tensor of every shard must be listed under that shard, and every listed tensor must be there. */
export function checkShards(
  index: SafetensorsIndex,
  shards: ReadonlyMap<string, ReadonlyMap<string, unknown>>,
  place: string,
): void {
  for (const [tensor, file] of index.fileOf) {
    if (shards.get(file)?.has(tensor) !== true) {
      throw new LoadError(`${place}: tensor ${quote(tensor)} should be in ${file}, which does not hold it`);
    }
  }
  for (const [file, tensors] of shards) {
    for (const tensor of tensors.keys()) {
      const listed = index.fileOf.get(tensor);
      if (listed === file) continue;
      throw new LoadError(
        `${place}: ${file} holds tensor ${quote(tensor)}, which the index ${listed === undefined ? 'does not list' : `puts in ${listed}`}`,
      );
    }
  }
}
