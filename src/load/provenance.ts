import type { HashableSource } from './byte-folder.ts';
import type { SourceFile, StoredTensor, StoredType } from './checkpoint.ts';

/** Number of elements of a shape. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The distinct stored types, the one with the most parameters first. */
export function storedTypes(tensors: Iterable<Pick<StoredTensor, 'dtype' | 'shape'>>): StoredType[] {
  const parameters = new Map<StoredType, number>();
  for (const { dtype, shape } of tensors) parameters.set(dtype, (parameters.get(dtype) ?? 0) + elements(shape));
  return [...parameters].sort((a, b) => b[1] - a[1]).map(([type]) => type);
}

/** Names, sizes and hashes of files; they are read once, when first asked for. */
export function hashedOnce(sources: readonly Pick<HashableSource, 'name' | 'size' | 'sha256'>[]) {
  let hashed: Promise<readonly SourceFile[]> | undefined;
  return (): Promise<readonly SourceFile[]> => {
    hashed ??= (async () => {
      const files: SourceFile[] = [];
      for (const source of sources)
        files.push({ name: source.name, bytes: source.size, sha256: await source.sha256() });
      return files;
    })();
    return hashed;
  };
}
