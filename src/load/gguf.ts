import { LoadError } from '../error.ts';
import type { HashableSource } from './byte-folder.ts';
import type { Checkpoint, StoredTensor, StoredType } from './checkpoint.ts';
import { decodePlain, type PlainType } from './decode-plain.ts';
import { ggufConfig } from './gguf-config.ts';
import { type GgufTensorInfo, parseGgufHeader } from './gguf-header.ts';
import { type GgufArchitecture, ggufArchitectures, huggingFaceName } from './gguf-names.ts';
import type { Restore, Values } from './gguf-restore.ts';
import * as restore from './gguf-restore.ts';
import { takeRows } from './gguf-restore.ts';
import { type GgufTokenizerMetadata, readGgufTokenizer } from './gguf-tokenizer-metadata.ts';
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

/** A tensor under its Hugging Face name: the parts it is made of and how. */
interface Recipe {
  readonly parts: readonly GgufTensorInfo[];
  readonly shape: readonly number[];
  readonly restore?: Restore;
  /** Where each row lies in the file, when rows are all that has another order. */
  readonly rows?: Int32Array;
}

interface Heads {
  readonly query: number;
  readonly keyValue: number;
}

/** What has to be undone for one tensor. `tensors` gives the partner of a pair. */
function recipe(
  architecture: GgufArchitecture,
  info: GgufTensorInfo,
  heads: Heads,
  tensors: ReadonlyMap<string, GgufTensorInfo>,
  place: string,
): Recipe {
  const { name, shape } = info;
  const whole = (ok: boolean, divisor: string): void => {
    if (!ok)
      throw new LoadError(`${place}: tensor ${quote(name)} of shape [${shape}] cannot be divided into ${divisor}`);
  };
  if (architecture === 'llama' && /\.attn_[qk]\./.test(name)) {
    const count = name.includes('attn_q') ? heads.query : heads.keyValue;
    whole(shape.length <= 2 && shape[0]! % (2 * count) === 0, `${count} heads of rotary pairs`);
    const rows = restore.halfSplitRows(shape[0]!, count);
    return { parts: [info], shape, rows, restore: ([from]) => restore.takeRows(from!, rows) };
  }
  if (architecture === 'gemma3' && name.endsWith('norm.weight')) {
    return { parts: [info], shape, restore: restore.restoreOffsetNorm };
  }
  if (
    architecture === 'gpt2' &&
    shape.length === 2 &&
    /^blk\.\d+\.(attn|ffn)_(qkv|output|up|down)\.weight$/.test(name)
  ) {
    return { parts: [info], shape: [shape[1]!, shape[0]!], restore: restore.restoreTransposed(shape) };
  }
  if (architecture === 'gptneox' && name.includes('attn_qkv')) {
    whole(shape.length <= 2 && shape[0]! % (3 * heads.query) === 0, `queries, keys and values of ${heads.query} heads`);
    return { parts: [info], shape, restore: restore.restoreNeoxQkv(shape, heads.query) };
  }
  if (architecture === 'gpt-oss' && name.includes('ffn_gate_exps')) {
    const up = tensors.get(name.replace('ffn_gate_exps', 'ffn_up_exps'));
    if (up === undefined || up.shape.join() !== shape.join()) {
      throw new LoadError(`${place}: tensor ${quote(name)} needs its partner ffn_up_exps of the same shape`);
    }
    const [experts, features, width] = shape as [number, number, number?];
    whole(shape.length === (name.endsWith('.bias') ? 2 : 3), 'experts');
    return {
      parts: [info, up],
      shape: width === undefined ? [experts, 2 * features] : [experts, width, 2 * features],
      restore: restore.restoreGateUp(shape),
    };
  }
  if (architecture === 'gpt-oss' && name.endsWith('ffn_down_exps.weight')) {
    whole(shape.length === 3, 'experts');
    return { parts: [info], shape: [shape[0]!, shape[2]!, shape[1]!], restore: restore.restoreTransposed(shape) };
  }
  return { parts: [info], shape };
}

async function decode(source: HashableSource, info: GgufTensorInfo): Promise<Values> {
  const bytes = await source.read(info.offset, info.bytes);
  if (info.type.decode === undefined) return decodePlain(info.type.stored as PlainType, bytes, info.name);
  const out = new Float32Array(elements(info.shape));
  info.type.decode(bytes, out);
  return out;
}

function readArchitecture(value: unknown, place: string): GgufArchitecture {
  const known = ggufArchitectures.find((architecture) => architecture === value);
  if (known !== undefined) return known;
  throw new LoadError(
    `${place}: architecture ${show(value)} is not supported (known: ${ggufArchitectures.join(', ')}); use the safetensors checkpoint`,
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
  const config = ggufConfig(header.metadata, {
    architecture,
    place,
    vocabulary: embedding.shape[0]!,
    names: new Set(infos.keys()),
    ...(ropeFrequencies !== undefined && { ropeFactors: await decode(source, ropeFrequencies) }),
  });
  const query = (config.num_attention_heads ?? config.n_head) as number;
  const heads = { query, keyValue: (config.num_key_value_heads ?? query) as number };

  const recipes = new Map<string, Recipe>();
  for (const info of header.tensors) {
    if (info === ropeFrequencies) continue;
    const gate =
      architecture === 'gpt-oss' && info.name.includes('ffn_up_exps') ? info.name.replace('up', 'gate') : undefined;
    if (gate !== undefined && infos.has(gate)) continue;
    const name = huggingFaceName(architecture, info.name);
    if (name === undefined) {
      throw new LoadError(`${place}: tensor ${quote(info.name)} is not known for architecture ${architecture}`);
    }
    recipes.set(name, recipe(architecture, info, heads, infos, place));
  }
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
      ropePairing: architecture === 'llama' ? 'interleaved, rows restored to half-split' : 'half-split',
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
      if (info.type.decode === undefined || parts.length > 1 || (restore !== undefined && rows === undefined))
        return undefined;
      const bytes = await source.read(info.offset, info.bytes);
      return { type: info.type.name, bytes: rows === undefined ? bytes : takeRows(bytes, rows) };
    },
    files: hashedOnce([source]),
    close: () => source.close(),
  };
}

/**
 * Opens a GGUF file as a checkpoint with Hugging Face names, shapes, order and configuration. What conversion changed is undone:
 * rotary pairs of arch `llama`, Gemma's 1 + weight norms, GPT-2's transposed weights, GPT-NeoX's split and GPT-OSS's separate
 * projections; `rope_freqs.weight` becomes Llama 3 parameters in the configuration. Closes the source when anything is wrong.
 */
export async function openGguf(source: HashableSource, options: GgufOptions = {}): Promise<GgufCheckpoint> {
  try {
    return await open(source, options);
  } catch (error) {
    await source.close();
    throw error;
  }
}
