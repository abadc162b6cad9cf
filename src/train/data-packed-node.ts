import { basename } from 'node:path';
import { LoadError } from '../error.ts';
import { openFile } from '../load/bytes-node.ts';
import { readCorpusHeader } from './data-corpus-node.ts';
import type { CorpusHeader } from './data-header.ts';
import { PackedDataset, type PackedOptions, type TokenSource } from './data-packed.ts';

/** Encoded tokens on disk. */
export interface TokenFile extends TokenSource {
  readonly header: CorpusHeader;
  /** Every token, in memory. */
  readAll(): Promise<Uint16Array | Uint32Array>;
  read(start: number, count: number): Promise<Uint16Array | Uint32Array>;
  close(): Promise<void>;
}

/**
 * Opens what `encodeCorpus` wrote; nothing but the description is read yet.
 * @param options.verify compares the SHA-256 of all tokens too; default false.
 * @throws LoadError when a file is missing or the two do not belong together.
 */
export async function openTokens(path: string, { verify = false } = {}): Promise<TokenFile> {
  const header = await readCorpusHeader(path);
  const file = await openFile(path);
  const width = header.type === 'uint16' ? 2 : 4;
  const wrong =
    file.size !== header.tokens * width
      ? `has ${file.size} bytes, its description tells of ${header.tokens * width}`
      : verify && (await file.sha256()) !== header.sha256
        ? 'is not what its description tells of (SHA-256)'
        : undefined;
  if (wrong !== undefined) {
    await file.close?.();
    throw new LoadError(`${basename(path)}: ${wrong}; encode the corpus again`);
  }
  const read = async (start: number, count: number) => {
    const { buffer } = await file.read(start * width, count * width);
    return header.type === 'uint16' ? new Uint16Array(buffer) : new Uint32Array(buffer);
  };
  return { header, read, readAll: () => read(0, header.tokens), close: async () => file.close?.() };
}

/** Encoded tokens as training sequences, read from disk as they are asked for. Throws as `openTokens` and `PackedDataset` do. */
export async function openPackedDataset(path: string, options: PackedOptions): Promise<PackedDataset> {
  const tokens = await openTokens(path);
  try {
    return new PackedDataset(tokens, tokens.header, options);
  } catch (error) {
    await tokens.close();
    throw error;
  }
}
