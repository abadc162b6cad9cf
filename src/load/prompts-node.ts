import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { InputError } from '../error.ts';

/**
 * A text file, or a `.gz` of one, as UTF-8 without a byte order mark.
 * @param options.option names the option in errors; default `--file`.
 * @param options.maximumBytes after unpacking; default 64 MB.
 * @throws InputError when it cannot be read, is too large, or is not UTF-8.
 */
export async function readText(
  path: string,
  options: { option?: string; maximumBytes?: number } = {},
): Promise<string> {
  const { option = '--file', maximumBytes = 64_000_000 } = options;
  const fail = (what: string): never => {
    throw new InputError(`${option} ${path}: ${what}`);
  };
  let bytes: Buffer;
  try {
    const found = await stat(path);
    if (!found.isFile()) fail('not a file; name a text file');
    if (found.size > maximumBytes) fail(`${found.size} bytes, at most ${maximumBytes} are read; cut the file`);
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof InputError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    return fail(code === 'ENOENT' ? 'no such file' : `cannot be read (${code ?? String(error)})`);
  }
  if (path.endsWith('.gz')) {
    try {
      bytes = await promisify(gunzip)(bytes, { maxOutputLength: maximumBytes });
    } catch (error) {
      const large = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
      fail(
        large
          ? `unpacks to more than ${maximumBytes} bytes; cut the file`
          : 'not a gzip file; check that it was copied whole',
      );
    }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return fail('not UTF-8 text; convert it, e.g. with iconv -t UTF-8');
  }
}
