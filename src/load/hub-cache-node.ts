import { lstat, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { InputError, LoadError } from '../error.ts';

export const COMMIT = /^[0-9a-f]{40}$/;

/** One model's folder in the hub cache that Python shares: `models--org--name/{blobs,refs,snapshots}`. */
export interface CachedRepository {
  readonly folder: string;
  /** The commit a revision names, as far as the cache knows; undefined when it does not. */
  commit(revision: string): Promise<string | undefined>;
  remember(revision: string, commit: string): Promise<void>;
  snapshot(commit: string): string;
  /** Path of the content with this hash. */
  blob(hash: string): string;
  /** Names of the files of a snapshot's own folder whose links lead to a file inside this repository. */
  files(commit: string): Promise<string[]>;
  /** Puts a link to a blob into a snapshot. */
  link(commit: string, file: string, hash: string): Promise<void>;
}

/** @throws InputError when the revision cannot be a branch, tag or commit. */
export function cachedRepository(cache: string, name: string): CachedRepository {
  const folder = join(cache, `models--${name.split('/').join('--')}`);
  const snapshot = (commit: string) => join(folder, 'snapshots', commit);
  const blob = (hash: string) => join(folder, 'blobs', hash);
  return {
    folder,
    snapshot,
    blob,
    async commit(revision) {
      if (COMMIT.test(revision)) return revision;
      const text = await readFile(reference(folder, revision), 'utf8').catch(() => '');
      return COMMIT.test(text.trim()) ? text.trim() : undefined;
    },
    async remember(revision, commit) {
      if (COMMIT.test(revision)) return;
      const path = reference(folder, revision);
      await mkdir(dirname(path), { recursive: true });
      const part = `${path}.${process.pid}.part`;
      await writeFile(part, commit);
      await rename(part, path);
    },
    async files(commit) {
      const names = await readdir(snapshot(commit)).catch(() => []);
      const inside = await Promise.all(names.map((file) => leadsInside(folder, join(snapshot(commit), file))));
      return names.filter((_, index) => inside[index]);
    },
    async link(commit, file, hash) {
      const path = join(snapshot(commit), file);
      await mkdir(dirname(path), { recursive: true });
      const part = `${path}.${process.pid}.part`;
      await rm(part, { force: true });
      try {
        await symlink(relative(dirname(path), blob(hash)), part);
        await rename(part, path);
      } catch (error) {
        await rm(part, { force: true });
        throw new LoadError(
          `hub cache ${folder}: cannot make the link ${file} (${(error as NodeJS.ErrnoException).code}); set HF_HUB_CACHE to a folder that allows links`,
        );
      }
    },
  };
}

/** Whether a path is a file, by links or not, that lies inside a folder. */
async function leadsInside(folder: string, path: string): Promise<boolean> {
  try {
    const [home, target] = await Promise.all([realpath(folder), realpath(path)]);
    return target.startsWith(home + sep) && (await stat(target)).isFile();
  } catch {
    return false;
  }
}

export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function reference(folder: string, revision: string): string {
  return join(folder, 'refs', ...checkRevision(revision).split('/'));
}

/** Branch, tag or commit: no empty or dotted path parts, nothing that is not in a Git name. */
export function checkRevision(revision: string): string {
  const parts = revision.split('/');
  if (revision.length <= 200 && parts.every((part) => /^[\w+@=-][\w.+@=-]*$/.test(part) && !part.includes('..')))
    return revision;
  throw new InputError(`--revision ${JSON.stringify(revision.slice(0, 80))}: expected a branch, a tag or a commit`);
}
