import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { createGunzip } from 'node:zlib';
import { LoadError } from '../error.ts';
import { splitDocuments } from './data-encode.ts';

export interface DocumentOptions {
  /**
   * What stands between two documents; default a line `<|endoftext|>` alone, as in text made for language models. A file without it is one
   * document.
   */
  readonly separator?: string;
  /** Called with bytes of the file read so far and its size. */
  readonly onRead?: (read: number, size: number) => void;
}

export const defaultSeparator = '\n<|endoftext|>\n';

const CHUNK = 1 << 20;

/**
 * The documents of a UTF-8 text file, plain or gzip (told by its first bytes), one at a time as they stand in the file.
 * @throws LoadError when the file is missing, damaged, not UTF-8, or a document has more than 64 million characters.
 */
export async function* readDocuments(path: string, options: DocumentOptions = {}): AsyncGenerator<string> {
  const { separator = defaultSeparator, onRead } = options;
  const name = basename(path);
  if (separator === '') throw new LoadError(`${name}: the separator of documents must not be empty`);
  yield* splitDocuments(readText(path, name, onRead), separator, name);
}

async function* readText(path: string, name: string, onRead: DocumentOptions['onRead']): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    const information = await stat(path);
    if (!information.isFile()) throw new LoadError(`${path}: expected a text file, found something else`);
    const file = createReadStream(path, { highWaterMark: CHUNK });
    const packed = await startsWithGzip(path);
    const bytes = packed ? file.pipe(createGunzip({ chunkSize: CHUNK })) : file;
    // An error of the file does not travel through pipe by itself.
    if (bytes !== file) file.on('error', (error) => bytes.destroy(error));
    try {
      for await (const chunk of bytes) {
        const text = decoder.decode(chunk as Buffer, { stream: true });
        onRead?.(file.bytesRead, information.size);
        yield text;
      }
    } finally {
      file.destroy();
    }
    yield decoder.decode();
  } catch (error) {
    if (error instanceof LoadError) throw error;
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new LoadError(`${path}: no such file`);
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      throw new LoadError(`${name}: not UTF-8; convert it, for example with iconv`);
    if (code.startsWith('Z_')) throw new LoadError(`${name}: damaged gzip (${code}); the download may be incomplete`);
    if (code !== '') throw new LoadError(`${path}: cannot be read (${code})`);
    throw error;
  }
}

async function startsWithGzip(path: string): Promise<boolean> {
  for await (const head of createReadStream(path, { end: 1 })) {
    const bytes = head as Buffer;
    return bytes[0] === 0x1f && bytes[1] === 0x8b;
  }
  return false;
}
