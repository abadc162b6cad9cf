import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { writeFileAtomically } from '../load/bytes-node.ts';

const temporary = (path: string, kind: 'new' | 'old') =>
  join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.${kind}.tmp`);

/** Writes a text file under a temporary name and renames it when it is complete. */
export async function writeText(path: string, text: string): Promise<void> {
  await writeFileAtomically(
    path,
    (async function* () {
      yield new TextEncoder().encode(text);
    })(),
  );
}

/**
 * Makes a folder whole or not at all: `write` fills a temporary folder beside it, which is renamed when it is complete. An older folder
 * of the name is moved away first and removed after. Leftovers of killed writers are removed.
 */
export async function writeFolderAtomically(path: string, write: (inside: string) => Promise<void>): Promise<void> {
  const target = resolve(path);
  await sweep(target);
  const fresh = temporary(target, 'new');
  await mkdir(fresh);
  try {
    await write(fresh);
    await syncFolder(fresh);
    if (await exists(target)) await removeFolder(target, () => rename(fresh, target));
    else await rename(fresh, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
}

/** Removes a folder under another name, so that a half-removed one is never found under its own. */
export async function removeFolder(path: string, between: () => Promise<void> = async () => {}): Promise<void> {
  const away = temporary(path, 'old');
  await rename(path, away);
  await between();
  await rm(away, { recursive: true, force: true });
}

/** Temporary folders of writers that were killed: of all names like this one's. */
async function sweep(target: string): Promise<void> {
  const stem = basename(target)
    .replace(/\d+$/, '')
    .replace(/[^\w-]/g, '\\$&');
  const left = new RegExp(`^\\.${stem}\\d*\\.[0-9a-f]{12}\\.(new|old)\\.tmp$`);
  for (const name of await readdir(dirname(target)))
    if (left.test(name)) await rm(join(dirname(target), name), { recursive: true, force: true });
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Renames reach the disk in order. Not every system can do this, and a kill alone does not need it. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
