import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LoadError } from '../error.ts';

export interface DownloadProgress {
  readonly file: string;
  /** Bytes, those of an earlier attempt included. */
  readonly received: number;
  readonly total?: number;
}

export interface Download {
  readonly url: string;
  /** Names the file in errors and progress. */
  readonly file: string;
  /** Final path; the content comes to `<path>.incomplete` first. */
  readonly path: string;
  readonly size: number;
  /** SHA-256 (64 digits) of the content, or its Git blob id (40 digits). */
  readonly hash: string;
  readonly fetch: typeof fetch;
  readonly signal?: AbortSignal;
  readonly progress?: (event: DownloadProgress) => void;
  /** Attempts without a single new byte before giving up; default 3. */
  readonly attempts?: number;
  /** Milliseconds without a byte after which the connection counts as cut; default 30000. */
  readonly stall?: number;
}

/**
 * Downloads a file whose size and hash are known. Goes on where an earlier attempt, also of another process, was cut; the file
 * has its final name only when size and hash are right.
 *
 * @throws LoadError naming the file; the signal's reason when aborted.
 */
export async function download(options: Download): Promise<void> {
  const { path, size, hash, file, signal, attempts = 3 } = options;
  const part = `${path}.incomplete`;
  await mkdir(dirname(path), { recursive: true });
  let failures = 0;
  for (;;) {
    const before = await lengthOf(part);
    try {
      // Bytes are written at their place, so that two processes at the same file do each other no harm.
      const handle = await open(part, before === undefined ? 'w' : 'r+');
      try {
        const have = before !== undefined && before <= size ? before : 0;
        if (have !== (before ?? 0)) await handle.truncate(0);
        if (have < size) await receive(options, handle, have);
        await handle.sync();
      } finally {
        await handle.close();
      }
      break;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Cut)) throw diskError(error, part);
      failures = ((await lengthOf(part)) ?? 0) > (before ?? 0) ? 0 : failures + 1;
      if (failures >= attempts) {
        throw new LoadError(
          `hub: ${file}: ${error.message} after ${(await lengthOf(part)) ?? 0} of ${size} bytes; run again to go on from there`,
        );
      }
    }
  }
  const found = await hashOf(
    part,
    hash.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`),
    signal,
  );
  if (found !== hash) {
    await rm(part, { force: true });
    throw new LoadError(
      `hub: ${file}: the content has hash ${found}, ${hash} was announced; it was thrown away, run again`,
    );
  }
  await rename(part, path).catch(async (error) => {
    // Another process was faster.
    if ((await lengthOf(path)) !== size) throw diskError(error, path);
  });
}

/** The connection ended early; what came is kept. */
class Cut extends Error {}

async function receive(
  { url, file, size, fetch, signal, progress, stall = 30_000 }: Download,
  handle: FileHandle,
  have: number,
): Promise<void> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (have > 0) headers.range = `bytes=${have}-`;
  const reply = await fetch(url, { headers }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error instanceof LoadError ? new Cut(error.message.replace(/^hub: /, '')) : error;
  });
  let offset = have;
  if (reply.status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(reply.headers.get('content-range') ?? '');
    if (Number(range?.[1]) !== have || (range?.[2] !== '*' && Number(range?.[2]) !== size)) {
      await reply.body?.cancel();
      throw new LoadError(
        `hub: ${file}: the reply has the range "${range?.[0]}", bytes ${have} to the end of ${size} were asked for; delete the .incomplete file and run again`,
      );
    }
  } else if (reply.status === 200) {
    offset = 0;
  } else {
    await reply.body?.cancel();
    if (reply.status >= 500 || reply.status === 429 || reply.status === 408) throw new Cut(`status ${reply.status}`);
    throw new LoadError(
      `hub: ${file}: status ${reply.status}${reply.status === 401 || reply.status === 403 ? '; the model needs a token (HF_TOKEN) with access' : ''}`,
    );
  }
  const announced = reply.headers.get('content-length');
  if (announced !== null && Number(announced) !== size - offset) {
    await reply.body?.cancel();
    throw new LoadError(
      `hub: ${file}: ${announced} bytes are announced, ${size - offset} are left of ${size}; the reply is not the file`,
    );
  }
  const reader = reply.body?.getReader();
  if (reader === undefined) throw new Cut('an empty reply');
  progress?.({ file, received: offset, total: size });
  for (;;) {
    const chunk = await next(reader, stall, signal);
    if (chunk === undefined) break;
    if (offset + chunk.length > size) {
      await reader.cancel().catch(() => {});
      await handle.truncate(0);
      throw new LoadError(`hub: ${file}: more than the announced ${size} bytes came; it was thrown away`);
    }
    for (let done = 0; done < chunk.length; )
      done += (await handle.write(chunk, done, chunk.length - done, offset + done)).bytesWritten;
    offset += chunk.length;
    progress?.({ file, received: offset, total: size });
  }
  if (offset < size) throw new Cut('the connection was cut');
}

async function next(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  stall: number,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const waited = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Cut(`no byte in ${stall / 1000} s`)), stall);
  });
  try {
    const { value } = await Promise.race([reader.read(), waited]);
    return value;
  } catch (error) {
    await reader.cancel().catch(() => {});
    signal?.throwIfAborted();
    throw error instanceof Cut ? error : new Cut('the connection was cut');
  } finally {
    clearTimeout(timer);
  }
}

/** Hash in hex of a whole file. */
export async function hashOf(path: string, hash: Hash, signal?: AbortSignal): Promise<string> {
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, ...(signal && { signal }) }))
    hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

async function lengthOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.size,
    () => undefined,
  );
}

function diskError(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC')
    return new LoadError(`${path}: the disk is full; free some space, or set HF_HUB_CACHE to another disk`);
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM')
    return new LoadError(`${path}: cannot be written (${code}); set HF_HUB_CACHE to another folder`);
  return error;
}
