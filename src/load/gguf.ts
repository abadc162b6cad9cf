import { LoadError } from '../error.ts';
import type { HashableSource } from './byte-folder.ts';
import type { Checkpoint, StoredTensor, StoredType } from './checkpoint.ts';
import { decodePlain, type PlainType } from './decode-plain.ts';
import { architectures } from './gguf/architectures.ts';
import { ggufConfig } from './gguf/config.ts';
import { type GgufTensorInfo, parseGgufHeader } from './gguf/header.ts';
import type { Recipe } from './gguf/recipe.ts';
import { recipesOf } from './gguf/recipes.ts';
import { takeRows, type Values } from './gguf/restore.ts';
import { type GgufTokenizerMetadata, readGgufTokenizer } from './gguf/tokenizer-metadata.ts';
import { elements, hashedOnce, storedTypes } from './provenance.ts';
import { quote, show } from './strict-json.ts';

export interface GgufCheckpoint extends Checkpoint {
  /** The tokenizer the file carries, if it does. */
  readonly ggufTokenizer?: GgufTokenizerMetadata;
}

export interface GgufOptions {
  /** What the user asked for, for results; default the file's name. */
  readonly source?: string;
  readonly revision?: string;
}

async function decode(source: HashableSource, info: GgufTensorInfo): Promise<Values> {
  const bytes = await source.read(info.offset, info.bytes);
  if (info.type.decode === undefined) return decodePlain(info.type.stored as PlainType, bytes, info.name);
  const out = new Float32Array(elements(info.shape));
  info.type.decode(bytes, out);
  return out;
}

function readArchitecture(value: unknown, place: string) {
  const found = typeof value === 'string' ? architectures.get(value) : undefined;
  if (found !== undefined) return { ...found, name: value as string };
  throw new LoadError(
    `${place}: architecture ${show(value)} is not supported (known: ${[...architectures.keys()].join(', ')}); use the safetensors checkpoint`,
  );
}

function storedTensor(name: string, { parts, shape, restore }: Recipe, path: string | undefined): StoredTensor {
  const types = [...new Set(parts.map((part) => part.type.name))];
  const dtype: StoredType = types.length === 1 ? parts[0]!.type.stored : `gguf:${types.join('+')}`;
  const readable = restore === undefined && parts[0]!.type.decode === undefined && path !== undefined;
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  return { name, dtype, shape, bytes, ...(readable && { inPlace: { file: path, offset: parts[0]!.offset } }) };
}

async function open(source: HashableSource, options: GgufOptions): Promise<GgufCheckpoint> {
  const place = `gguf ${source.name}`;
  const header = await parseGgufHeader(source);
  const architecture = readArchitecture(header.metadata.get('general.architecture'), place);
  const infos = new Map(header.tensors.map((info) => [info.name, info]));
  const ropeFrequencies = infos.get('rope_freqs.weight');
  const embedding = infos.get('token_embd.weight');
  if (embedding === undefined || embedding.shape.length !== 2) {
    throw new LoadError(`${place}: tensor "token_embd.weight" [vocabulary, width] is missing`);
  }
  const config = ggufConfig(header.metadata, architecture, {
    architecture: architecture.name,
    place,
    vocabulary: embedding.shape[0]!,
    has: (name) => infos.has(name),
    rows: (name) => infos.get(name)?.shape[0],
    ...(ropeFrequencies !== undefined && { ropeFactors: await decode(source, ropeFrequencies) }),
  });
  // Blocks behind the model's own predict further tokens; they are no part of it.
  const further = header.metadata.has(`${architecture.name}.nextn_predict_layers`);
  const layers = further ? (config.num_hidden_layers as number) : Number.POSITIVE_INFINITY;
  const recipes = recipesOf(infos, architecture, config, { place, layers });
  const tensors = new Map([...recipes].map(([name, made]) => [name, storedTensor(name, made, source.path)]));
  const find = (name: string): Recipe => {
    const found = recipes.get(name);
    if (found === undefined) throw new LoadError(`${place}: there is no tensor ${quote(name)}`);
    return found;
  };
  const ggufTokenizer = readGgufTokenizer(header.metadata, place);
  return {
    config,
    tensors,
    provenance: {
      format: 'gguf',
      source: options.source ?? source.name,
      ...(options.revision !== undefined && { revision: options.revision }),
      dtypes: storedTypes(tensors.values()),
      ropePairing: architecture.interleaved ? 'interleaved, rows restored to half-split' : 'half-split',
    },
    ...(ggufTokenizer !== undefined && { ggufTokenizer }),
    async read(name) {
      const { parts, restore } = find(name);
      const values: Values[] = [];
      for (const part of parts) values.push(await decode(source, part));
      return restore === undefined ? values[0]! : restore(values);
    },
    async readBytes(name) {
      const { parts, restore } = find(name);
      if (restore !== undefined) {
        throw new LoadError(
          `${place}: tensor ${quote(name)} is stored in another order than its name says; read its values`,
        );
      }
      return source.read(parts[0]!.offset, parts[0]!.bytes);
    },
    async readBlocks(name) {
      const { parts, restore, rows } = find(name);
      const [info] = parts as [GgufTensorInfo];
      const byRow = restore === undefined || (rows !== undefined && info.shape.length > 1);
      if (info.type.decode === undefined || parts.length > 1 || !byRow) return undefined;
      const bytes = await source.read(info.offset, info.bytes);
      return { type: info.type.name, bytes: rows === undefined ? bytes : takeRows(bytes, rows) };
    },
    files: hashedOnce([source]),
    close: () => source.close(),
  };
}

/**
 * Opens a GGUF file as a checkpoint with Hugging Face names, shapes, order and configuration. What conversion changed is undone: the order
 * of rotary pairs and of joint projections, norms stored as 1 + weight, turned, split and joined matrices, stacked experts;
 * `rope_freqs.weight` becomes Llama 3 parameters in the configuration. Closes the source when anything is wrong.
 */
export async function openGguf(source: HashableSource, options: GgufOptions = {}): Promise<GgufCheckpoint> {
  try {
    return await open(source, options);
  } catch (error) {
    await source.close();
    throw error;
  }
}
