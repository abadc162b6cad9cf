import { LoadError } from '../error.ts';
import type { ByteFolder, HashableSource } from './byte-folder.ts';

/** Bytes in memory or behind a Blob (a file chosen in the page). Reads copy, so the caller owns what it gets. */
export function memorySource(name: string, bytes: Uint8Array | Blob): HashableSource {
  const size = bytes instanceof Blob ? bytes.size : bytes.byteLength;
  async function read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
      throw new LoadError(`${name}: bytes ${offset} to ${offset + length} were asked for, the file has ${size}`);
    }
    if (bytes instanceof Blob) return new Uint8Array(await bytes.slice(offset, offset + length).arrayBuffer());
    return new Uint8Array(bytes.subarray(offset, offset + length));
  }
  return {
    name,
    size,
    read,
    // Web Crypto has no streaming digest: the bytes are held once while they are hashed.
    async sha256() {
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await read(0, size)));
      return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    },
    async close() {},
  };
}

/** A folder made of named bytes or Blobs. */
export function memoryFolder(name: string, files: ReadonlyMap<string, Uint8Array | Blob>): ByteFolder {
  return {
    name,
    async list() {
      return [...files.keys()].sort();
    },
    async open(file) {
      const bytes = files.get(file);
      if (bytes === undefined) throw new LoadError(`${name}: file "${file}" is missing`);
      return memorySource(file, bytes);
    },
  };
}
