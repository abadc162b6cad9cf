import { LoadError } from '../error.ts';
import type { HashableSource } from './byte-folder.ts';
import type { StoredTensor } from './checkpoint.ts';
import { decodePlain, type PlainType } from './decode-plain.ts';
import { parseSafetensorsHeader, type SafetensorsEntry } from './safetensors-header.ts';
import { quote } from './strict-json.ts';

/** One safetensors file: weights, captured activations, reference values. */
export interface SafetensorsFile {
  readonly name: string;
  readonly metadata: ReadonlyMap<string, string>;
  /** By name, in the order of their offsets. */
  readonly tensors: ReadonlyMap<string, StoredTensor & { readonly dtype: PlainType }>;
  /** One tensor as float32, rows first as stored; integers that float32 cannot hold exactly are a LoadError. */
  read(name: string): Promise<Float32Array<ArrayBuffer>>;
  readBytes(name: string): Promise<Uint8Array<ArrayBuffer>>;
  sha256(): Promise<string>;
  close(): Promise<void>;
}

/** Opens one safetensors file and checks its whole header. Closes the source when that fails. */
export async function openSafetensorsFile(source: HashableSource): Promise<SafetensorsFile> {
  const header = await parseSafetensorsHeader(source).catch(async (error: unknown) => {
    await source.close();
    throw error;
  });
  const { path } = source;
  const entries = new Map<string, SafetensorsEntry>();
  const tensors = new Map<string, StoredTensor & { readonly dtype: PlainType }>();
  for (const entry of header.entries) {
    const { name, dtype, shape, bytes, offset } = entry;
    entries.set(name, entry);
    tensors.set(name, { name, dtype, shape, bytes, ...(path !== undefined && { inPlace: { file: path, offset } }) });
  }
  function find(name: string): SafetensorsEntry {
    const entry = entries.get(name);
    if (entry === undefined) throw new LoadError(`safetensors ${source.name}: there is no tensor ${quote(name)}`);
    return entry;
  }
  async function readBytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const { offset, bytes } = find(name);
    return source.read(offset, bytes);
  }
  return {
    name: source.name,
    metadata: header.metadata,
    tensors,
    readBytes,
    async read(name) {
      const { dtype } = find(name);
      return decodePlain(dtype, await readBytes(name), `safetensors ${source.name}: tensor ${quote(name)}`);
    },
    sha256: () => source.sha256(),
    close: () => source.close(),
  };
}
