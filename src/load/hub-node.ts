import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { listFiles as libraryListFiles, modelInfo as libraryModelInfo } from '@huggingface/hub';
import { InputError, LoadError } from '../error.ts';
import { type CachedRepository, COMMIT, cachedRepository, checkRevision, exists } from './hub-cache-node.ts';
import { type DownloadProgress, download } from './hub-download-node.ts';
import { hubFetch } from './hub-fetch.ts';
import { type Selection, selectFiles, shardNames, type Wanted } from './hub-select.ts';
import { type HubSettings, hubSettings } from './hub-settings-node.ts';

export interface HubOptions extends Wanted {
  /** Branch, tag or commit; default `main`. */
  readonly revision?: string;
  readonly signal?: AbortSignal;
  readonly progress?: (event: DownloadProgress) => void;
  /** Default `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds to the head of each reply; default 10000. */
  readonly timeout?: number;
  /** Looks into the cache only, as with `HF_HUB_OFFLINE=1`. */
  readonly offline?: boolean;
}

export interface HubModel {
  readonly kind: 'folder' | 'gguf';
  /** The snapshot's folder, or the .gguf link in it. */
  readonly path: string;
  readonly revision: string;
  readonly commit: string;
  /** The repository's folder in the cache; links inside the snapshot lead to files in it. */
  readonly repoFolder: string;
}

const MAXIMUM = { reply: 32_000_000, entries: 20_000, small: 200_000_000, bytes: 2 ** 43 };

// The client's declarations do not resolve under NodeNext: what is used of it, said here.
interface ListedFile {
  readonly type: unknown;
  readonly path: unknown;
  readonly size: unknown;
  readonly oid?: unknown;
  readonly lfs?: { readonly oid?: unknown; readonly size?: unknown };
}
interface Request {
  readonly hubUrl: string;
  readonly fetch: typeof fetch;
  readonly revision: string;
}
const modelInfo = libraryModelInfo as (
  request: Request & { name: string; additionalFields: string[] },
) => Promise<{ sha?: unknown }>;
const listFiles = libraryListFiles as (
  request: Request & { repo: string; recursive: boolean },
) => AsyncIterable<ListedFile>;

interface RemoteFile {
  readonly size: number;
  readonly hash: string;
}

/**
 * A model of the hub, in the cache folder that Python shares. What the cache holds whole is used without any request.
 *
 * @param name `organisation/model`.
 * @throws LoadError when it cannot be had, is damaged or holds only what is never read; InputError for a wrong name or revision.
 */
export async function hubModel(name: string, options: HubOptions = {}): Promise<HubModel> {
  checkModelName(name);
  const revision = checkRevision(options.revision ?? 'main');
  const settings = await hubSettings(options.env);
  const repository = cachedRepository(settings.cache, name);
  const offline = options.offline === true || settings.offline;

  const known = await repository.commit(revision);
  if (known !== undefined) {
    const cached = await fromCache(repository, name, known, options, offline);
    if (cached !== undefined) return { ...cached, revision };
  }
  if (offline) {
    throw new LoadError(
      `${name}: revision ${revision} is not, or not whole, in the hub cache ${settings.cache}, and ${
        settings.offline ? 'HF_HUB_OFFLINE is set; unset it' : 'only the cache was to be used; go online'
      } or name a local folder or .gguf file`,
    );
  }
  const found = await fromHub(repository, name, revision, settings, options);
  await repository.remember(revision, found.commit);
  return { ...found, revision };
}

/** @throws InputError for anything but one or two plain path parts. */
export function checkModelName(name: string): void {
  const parts = name.split('/');
  const plain = parts.every((part) => /^\w[\w.-]{0,95}$/.test(part) && !part.includes('..') && !part.includes('--'));
  if (parts.length > 2 || !plain)
    throw new InputError(
      `model ${JSON.stringify(name.slice(0, 120))}: no such file, and not a hub id such as organisation/model`,
    );
}

async function fromCache(repository: CachedRepository, name: string, commit: string, wanted: Wanted, offline: boolean) {
  const names = await repository.files(commit);
  let selection: Selection;
  try {
    selection = selectFiles(names, name, wanted);
  } catch {
    return undefined;
  }
  const snapshot = repository.snapshot(commit);
  const weights =
    selection.index === undefined
      ? selection.weights
      : shardNames(await readJson(join(snapshot, selection.index)), name);
  if (!weights.every((file) => names.includes(file))) return undefined;
  // Another program may have left the tokenizer out.
  const tokenizer = ['tokenizer.json', 'tokenizer_config.json'].every((file) => names.includes(file));
  if (selection.kind === 'folder' && !tokenizer && !offline) return undefined;
  return result(repository, commit, selection);
}

async function fromHub(
  repository: CachedRepository,
  name: string,
  revision: string,
  settings: HubSettings,
  options: HubOptions,
) {
  const { signal, progress, timeout } = options;
  const { endpoint, token } = settings;
  const get = hubFetch({
    endpoint,
    ...(token !== undefined && { token }),
    ...(signal !== undefined && { signal }),
    ...(timeout !== undefined && { timeout }),
  });
  const { commit, files } = await describe(name, revision, settings, bounded(get));
  const selection = selectFiles([...files.keys()], name, options);
  const fetchFile = async (file: string) => {
    const remote = files.get(file);
    if (remote === undefined) throw new LoadError(`${name}: the index names ${file}, which the model does not have`);
    const path = repository.blob(remote.hash);
    const here = (await exists(path)) && (await stat(path)).size === remote.size;
    if (!here) {
      const url = `${endpoint}/${name}/resolve/${commit}/${encodeURIComponent(file)}`;
      await download({
        url,
        file,
        path,
        ...remote,
        fetch: get,
        ...(signal && { signal }),
        ...(progress && { progress }),
      });
    }
    await repository.link(commit, file, remote.hash);
  };
  for (const file of selection.small) {
    if (files.get(file)!.size > MAXIMUM.small)
      throw new LoadError(`${name}: ${file} has ${files.get(file)!.size} bytes, at most ${MAXIMUM.small} are read`);
    await fetchFile(file);
  }
  if (selection.kind === 'folder') await refuseCustomCode(repository.snapshot(commit), name);
  if (selection.index !== undefined) await fetchFile(selection.index);
  const weights =
    selection.index === undefined
      ? selection.weights
      : shardNames(await readJson(join(repository.snapshot(commit), selection.index)), name);
  for (const file of weights) await fetchFile(file);
  return result(repository, commit, selection);
}

function result(repository: CachedRepository, commit: string, { kind, weights }: Selection) {
  const snapshot = repository.snapshot(commit);
  return {
    kind,
    path: kind === 'gguf' ? join(snapshot, weights[0]!) : snapshot,
    commit,
    repoFolder: repository.folder,
  };
}

/** The commit of a revision and the files of the model's own folder, checked. */
async function describe(name: string, revision: string, settings: HubSettings, get: typeof fetch) {
  const request = { hubUrl: settings.endpoint, fetch: get };
  try {
    const { sha: commit } = await modelInfo({ ...request, name, revision, additionalFields: ['sha'] });
    if (typeof commit !== 'string' || !COMMIT.test(commit))
      throw new LoadError(`${name}: the hub gave no commit for revision ${revision}; check HF_ENDPOINT`);
    const files = new Map<string, RemoteFile>();
    let entries = 0;
    for await (const entry of listFiles({ ...request, repo: name, revision: commit, recursive: false })) {
      if (++entries > MAXIMUM.entries) throw new LoadError(`${name}: more than ${MAXIMUM.entries} files`);
      if (entry.type !== 'file' || typeof entry.path !== 'string') continue;
      const size = entry.lfs?.size ?? entry.size;
      const hash = entry.lfs?.oid ?? entry.oid;
      const right = Number.isSafeInteger(size) && (size as number) >= 0 && (size as number) <= MAXIMUM.bytes;
      if (!right || typeof hash !== 'string' || !/^([0-9a-f]{64}|[0-9a-f]{40})$/.test(hash)) {
        throw new LoadError(
          `${name}: the hub gave no valid size and hash for ${JSON.stringify(entry.path.slice(0, 80))}; check HF_ENDPOINT`,
        );
      }
      files.set(entry.path, { size: size as number, hash });
    }
    return { commit, files };
  } catch (error) {
    throw readable(error, name, revision, settings);
  }
}

/** The client's errors carry addresses and the server's words; neither the token nor a query goes into ours. */
function readable(error: unknown, name: string, revision: string, { endpoint, token }: HubSettings): unknown {
  if (error instanceof LoadError || error instanceof InputError || (error as Error).name === 'AbortError') return error;
  const status = (error as { statusCode?: unknown }).statusCode;
  if (status === 401 || status === 403 || status === 404) {
    const advice =
      token === undefined
        ? 'check the name; a private or gated model needs HF_TOKEN'
        : 'check the name, and that the token has access';
    return new LoadError(
      `${name}: ${endpoint} has no such model or revision ${revision}, or does not show it (status ${status}); ${advice}`,
    );
  }
  if (typeof status === 'number')
    return new LoadError(`${name}: ${endpoint} answered with status ${status}; try again later`);
  return new LoadError(`${name}: ${endpoint} gave a reply that is not understood; check HF_ENDPOINT`);
}

/** Replies to questions about a model are read whole, and no longer than they may be. */
function bounded(get: typeof fetch): typeof fetch {
  return async (input, init) => {
    const reply = await get(input, init);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    for await (const chunk of (reply.body ?? []) as AsyncIterable<Uint8Array<ArrayBuffer>>) {
      length += chunk.length;
      if (length > MAXIMUM.reply)
        throw new LoadError(`hub: a reply of over ${MAXIMUM.reply} bytes about a model; check HF_ENDPOINT`);
      chunks.push(chunk);
    }
    return new Response(new Blob(chunks), { status: reply.status, headers: reply.headers });
  };
}

/**
 * Refuses a checkpoint whose `config.json` asks for Python code of its own.
 * @throws LoadError
 */
export async function refuseCustomCode(folder: string, name: string): Promise<void> {
  const path = join(folder, 'config.json');
  if (!(await exists(path))) return;
  const config = await readJson(path);
  if (typeof config === 'object' && config !== null && Object.hasOwn(config, 'auto_map')) {
    throw new LoadError(
      `${name}: config.json asks for Python code of its own (auto_map), which is never run; use a checkpoint of a standard architecture`,
    );
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new LoadError(`${path}: cannot be read as JSON (${(error as Error).message.slice(0, 100)})`);
  }
}
