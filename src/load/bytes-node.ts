import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LoadError } from '../error.ts';
import type { ByteFolder, HashableSource } from './byte-folder.ts';

/** One read call may not exceed 2 GiB on Linux. */
const largestRead = 1 << 30;

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'no such file or folder';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  if (code === 'ELOOP') return 'its links form a circle';
  return code ?? String(error);
}

/** Opens a regular file (never a pipe or a device, whose reads could wait for ever). Links are followed; `name` is what messages and results call it. */
export async function openFile(path: string, name = basename(path)): Promise<HashableSource> {
  try {
    const absolute = await realpath(path);
    if (!(await stat(absolute)).isFile()) throw new LoadError(`${path}: expected a file, found something else`);
    const handle = await open(absolute, 'r');
    const { size } = await handle.stat();
    return {
      name,
      size,
      path: absolute,
      async read(offset, length) {
        if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
          throw new LoadError(`${name}: bytes ${offset} to ${offset + length} were asked for, the file has ${size}`);
        }
        const bytes = new Uint8Array(length);
        for (let done = 0; done < length; ) {
          const part = await handle.read(bytes, done, Math.min(length - done, largestRead), offset + done);
          if (part.bytesRead === 0)
            throw new LoadError(`${name}: ended at byte ${offset + done}, it had ${size} before`);
          done += part.bytesRead;
        }
        return bytes;
      },
      async sha256() {
        const hash = createHash('sha256');
        await pipeline(createReadStream(absolute, { highWaterMark: 1 << 20 }), hash);
        return hash.digest('hex');
      },
      close: () => handle.close(),
    };
  } catch (error) {
    if (error instanceof LoadError) throw error;
    throw new LoadError(`${path}: cannot be opened (${reason(error)})`);
  }
}

/** The hub cache's `models--owner--name` folder around a path, or undefined. */
function hubModelFolder(path: string): string | undefined {
  const parts = path.split(sep);
  const at = parts.findLastIndex((part) => part.startsWith('models--'));
  return at < 0 ? undefined : parts.slice(0, at + 1).join(sep);
}

/**
 * A folder on disk. Links are followed only to files in the same folder or, in the hub cache, in the same `models--*` folder
 * (snapshots are links to `../../blobs/HASH`); a source's `path` is the file behind the link, which a runtime may read in place.
 */
export async function openFolder(path: string): Promise<ByteFolder> {
  const inside = async (): Promise<readonly string[]> => {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      throw new LoadError(`${path}: cannot be read as a folder (${reason(error)})`);
    }
  };
  await inside();
  const root = await realpath(path);
  const allowed = hubModelFolder(root) ?? root;
  return {
    name: path,
    list: inside,
    async open(file) {
      if (!isPlainFileName(file)) throw new LoadError(`${path}: "${file}" is not a plain file name inside the folder`);
      let target: string;
      try {
        target = await realpath(join(root, file));
      } catch (error) {
        throw new LoadError(`${path}: file "${file}" is missing or cannot be reached (${reason(error)})`);
      }
      if (!target.startsWith(allowed + sep)) {
        throw new LoadError(
          `${path}: "${file}" is a link that leaves the model's folder; copy the file there, or name the folder it lies in`,
        );
      }
      return openFile(target, file);
    },
  };
}

/** True for a name without separators, drive letters or dots that climb. */
function isPlainFileName(file: string): boolean {
  return file !== '' && file !== '.' && file !== '..' && !/[/\\\0]/.test(file) && !/^[A-Za-z]:/.test(file);
}

/** Splits a path into the folder and the file name in it; a folder gives no file. */
export async function splitPath(path: string): Promise<{ folder: string; file?: string }> {
  try {
    if ((await stat(path)).isDirectory()) return { folder: path };
  } catch (error) {
    throw new LoadError(`${path}: cannot be opened (${reason(error)})`);
  }
  return { folder: dirname(path), file: basename(path) };
}

/** Writes to a temporary file beside `path` and renames it when complete: readers see the whole file or the old one. */
export async function writeFileAtomically(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const handle = await open(temporary, 'wx');
    try {
      for await (const chunk of chunks) await handle.writeFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    if (typeof (error as NodeJS.ErrnoException).code !== 'string') throw error;
    throw new LoadError(`${path}: cannot be written (${reason(error)})`);
  }
}
