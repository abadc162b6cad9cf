import type { Checkpoint } from '../load/checkpoint.ts';
import type { WeightStorage } from '../tensor/index.ts';

/** Weights that the runtime maps from their files: one folder, and where each lies. */
export interface WeightsInPlace {
  readonly folder: string;
  readonly storage: (name: string) => WeightStorage;
}

const types = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;

/**
 * Can every named weight be read in place, without conversion or a second copy on disk? Then float32 needs no copy in memory either, and
 * half types one float32 copy that the runtime makes at load. Undefined when some must be decoded, or the files lie in several folders.
 */
export function weightsInPlace(checkpoint: Checkpoint, names: Iterable<string>): WeightsInPlace | undefined {
  const found = new Map<string, WeightStorage>();
  let folder: string | undefined;
  for (const name of names) {
    const stored = checkpoint.tensors.get(name);
    const type = types[stored?.dtype as keyof typeof types];
    if (!stored?.inPlace || type === undefined) return undefined;
    const [, where, location] = /^(.*)[/\\]([^/\\]+)$/.exec(stored.inPlace.file) ?? [];
    if (where === undefined || location === undefined || (folder !== undefined && folder !== where)) return undefined;
    folder = where;
    found.set(name, { type, location, offset: stored.inPlace.offset, length: stored.bytes });
  }
  return folder === undefined ? undefined : { folder, storage: (name) => found.get(name)! };
}
