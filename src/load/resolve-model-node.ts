import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { InputError, LoadError } from '../error.ts';
import { DEFAULT_MODEL, type DefaultModelOptions, defaultModel } from './default-model-node.ts';
import { type HubOptions, hubModel, refuseCustomCode } from './hub-node.ts';

export interface ResolvedModel {
  readonly kind: 'folder' | 'gguf';
  /** Absolute path of the folder or of the .gguf file. */
  readonly path: string;
  /** The weight file to read, when the user named one of a folder. */
  readonly weights?: string;
  /** What the user asked for. */
  readonly source: string;
  readonly revision?: string;
  readonly commit?: string;
  /** Folder in the hub cache that links may lead to. */
  readonly repoFolder?: string;
}

export type ResolveOptions = DefaultModelOptions & Pick<HubOptions, 'revision'>;

/**
 * From what the user wrote to files: a folder, a .gguf or .safetensors file, a hub id (`organisation/model`, with `/FILE.gguf` or
 * `:Q4_1` to choose one of several GGUF files), or nothing for the default model. What exists on disk wins over the hub.
 *
 * @throws InputError for a name that is neither; LoadError when the model cannot be had or is of a kind that is never read.
 */
export async function resolveModel(name: string | undefined, options: ResolveOptions = {}): Promise<ResolvedModel> {
  if (name === undefined) {
    if (options.revision !== undefined)
      throw new InputError('--revision: names a revision of a hub model; name the model too');
    return { ...(await defaultModel(options)), source: DEFAULT_MODEL.name };
  }
  const local = await localModel(name);
  if (local !== undefined) {
    if (options.revision !== undefined)
      throw new InputError(`--revision: ${name} is on disk and has no revisions; leave it out`);
    return local;
  }
  const file = /\.(gguf|safetensors|bin|pt|pth|ckpt|onnx|json)$/i.test(name);
  const parts = name.split('/');
  const inHub = parts.length === 3 && name.toLowerCase().endsWith('.gguf');
  if (/^[./~\\]/.test(name) || (file && !inHub))
    throw new InputError(`model ${JSON.stringify(name.slice(0, 200))}: no such file or folder`);
  const [id = '', quantisation, ...rest] = (inHub ? parts.slice(0, 2).join('/') : name).split(':');
  if (rest.length > 0 || (quantisation !== undefined && !/^\w{1,20}$/.test(quantisation))) {
    throw new InputError(
      `model ${JSON.stringify(name.slice(0, 200))}: expected organisation/model:QUANTISATION, such as :Q4_1`,
    );
  }
  const found = await hubModel(id, {
    timeout: 10_000,
    ...options,
    ...(inHub && { file: parts[2]! }),
    ...(quantisation !== undefined && { quantisation }),
  });
  return { ...found, source: name };
}

async function localModel(name: string): Promise<ResolvedModel | undefined> {
  const path = resolve(name);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (found.isDirectory()) {
    await refuseCustomCode(path, name);
    return { kind: 'folder', path, source: name, ...(await cacheFolder(path)) };
  }
  if (!found.isFile()) throw new InputError(`model ${name}: neither a folder nor a file`);
  if (name.toLowerCase().endsWith('.gguf'))
    return { kind: 'gguf', path, source: name, ...(await cacheFolder(dirname(path))) };
  if (name.endsWith('.safetensors')) {
    await refuseCustomCode(dirname(path), name);
    return {
      kind: 'folder',
      path: dirname(path),
      weights: basename(path),
      source: name,
      ...(await cacheFolder(dirname(path))),
    };
  }
  throw new LoadError(
    /\.(bin|pt|pth|ckpt|pkl|pickle)$/.test(name)
      ? `${name}: a pickle can run code and is never read; save the model with save_pretrained(…, safe_serialization=True) in Python`
      : `${name}: expected a folder with config.json, a .safetensors file or a .gguf file`,
  );
}

/** A snapshot of the hub cache that was named by its path: `models--…/snapshots/<commit>`. */
async function cacheFolder(folder: string): Promise<{ commit: string; repoFolder: string } | undefined> {
  const match = /^(.*[\\/]models--[^\\/]+)[\\/]snapshots[\\/]([0-9a-f]{40})$/.exec(await realpath(folder));
  return match === null ? undefined : { repoFolder: match[1]!, commit: match[2]! };
}
