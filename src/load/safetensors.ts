import { LoadError } from '../error.ts';
import type { ByteFolder, HashableSource } from './byte-folder.ts';
import type { Checkpoint, StoredTensor } from './checkpoint.ts';
import { hashedOnce, storedTypes } from './provenance.ts';
import { openSafetensorsFile, type SafetensorsFile } from './safetensors-file.ts';
import { checkShards, parseSafetensorsIndex } from './safetensors-index.ts';
import { parseJsonObject, quote } from './strict-json.ts';

export interface SafetensorsOptions {
  /** What the user asked for, for results; default the folder's name. */
  readonly source?: string;
  /** Revision on the hub. */
  readonly revision?: string;
  /** One weight file of the folder; default `model.safetensors`, else the shards of `model.safetensors.index.json`. */
  readonly file?: string;
  /** Default `config.json`. */
  readonly config?: string;
}

/** Largest JSON file that is read whole, in bytes. */
const largestJson = 100_000_000;
const indexName = 'model.safetensors.index.json';

/** Opens, reads and closes a JSON file of a model's folder. */
export async function readJsonFile(folder: ByteFolder, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const source = await folder.open(name);
  try {
    if (source.size > largestJson) {
      throw new LoadError(`${folder.name}: ${name} has ${source.size} bytes; at most ${largestJson} are read`);
    }
    return await source.read(0, source.size);
  } finally {
    await source.close();
  }
}

function nothingToLoad(folder: ByteFolder, names: readonly string[]): LoadError {
  const pickle = names.find((name) => /\.(bin|pt|pth|ckpt|pkl)(\.index\.json)?$/.test(name));
  if (pickle !== undefined) {
    return new LoadError(
      `${folder.name}: "${pickle}" is a pickle, which can run any code when it is read, so it is never opened; ` +
        'save the model as safetensors (in Python: model.save_pretrained(folder, safe_serialization=True))',
    );
  }
  const seen = names.length === 0 ? 'nothing' : names.slice(0, 8).map(quote).join(', ');
  return new LoadError(`${folder.name}: expected model.safetensors or ${indexName}, found ${seen}`);
}

/** Opens a checkpoint of one or more safetensors files with its configuration. Every header is checked before it returns. */
export async function openSafetensors(folder: ByteFolder, options: SafetensorsOptions = {}): Promise<Checkpoint> {
  const names = await folder.list();
  const file = options.file ?? ['model.safetensors', indexName].find((name) => names.includes(name));
  if (file === undefined) throw nothingToLoad(folder, names);
  if (!/\.safetensors(\.index\.json)?$/.test(file)) throw nothingToLoad(folder, [file]);
  const configName = options.config ?? 'config.json';
  if (!names.includes(configName)) {
    throw new LoadError(`${folder.name}: "${configName}" is missing; it must lie beside the weights`);
  }
  const config = parseJsonObject(await readJsonFile(folder, configName), `${folder.name}/${configName}`);
  const index = file.endsWith('.json')
    ? parseSafetensorsIndex(await readJsonFile(folder, file), `${folder.name}/${file}`)
    : undefined;

  const sources: HashableSource[] = [];
  const shards = new Map<string, SafetensorsFile>();
  const close = async () => void (await Promise.all(sources.map((source) => source.close())));
  const owner = new Map<string, SafetensorsFile>();
  const tensors = new Map<string, StoredTensor>();
  try {
    for (const name of index?.files ?? [file]) {
      const source = await folder.open(name);
      sources.push(source);
      shards.set(name, await openSafetensorsFile(source));
    }
    if (index !== undefined) {
      const held = new Map([...shards].map(([name, shard]) => [name, shard.tensors]));
      checkShards(index, held, `${folder.name}/${file}`);
    }
    for (const shard of shards.values()) {
      for (const [name, tensor] of shard.tensors) {
        owner.set(name, shard);
        tensors.set(name, tensor);
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  const find = (name: string): SafetensorsFile => {
    const shard = owner.get(name);
    if (shard === undefined) throw new LoadError(`${folder.name}: there is no tensor ${quote(name)}`);
    return shard;
  };
  return {
    config,
    tensors,
    provenance: {
      format: 'safetensors',
      source: options.source ?? folder.name,
      ...(options.revision !== undefined && { revision: options.revision }),
      dtypes: storedTypes(tensors.values()),
      ropePairing: 'half-split',
    },
    read: async (name) => find(name).read(name),
    readBytes: async (name) => find(name).readBytes(name),
    files: hashedOnce(sources),
    close,
  };
}
