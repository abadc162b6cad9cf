import type { ByteSource } from './checkpoint.ts';

/** A byte source that can hash itself without holding more than it must. */
export interface HashableSource extends ByteSource {
  /** SHA-256 of all bytes, in hex. */
  sha256(): Promise<string>;
}

/** A flat folder of files: a folder on disk, a snapshot of the hub cache, or files chosen in the page. */
export interface ByteFolder {
  /** What the user named, for messages. */
  readonly name: string;
  /** Names of the entries, sorted. */
  list(): Promise<readonly string[]>;
  /** Throws a LoadError when the file is missing, is not a regular file, or is a link that leaves the model's folder. */
  open(file: string): Promise<HashableSource>;
}
