/**
 * The header of a GGUF file (versions 2 and 3, little-endian): metadata and the table of tensors, read strictly.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
 *
 * Why not `@huggingface/gguf`: it opens paths and URLs but no Blob, pads its buffer with zeros beyond the end of the file (a
 * truncated header then parses), keeps the last of duplicate keys in a plain object, and leaves offsets unchecked. The tests
 * compare this reader with it on whole files.
 */
import { LoadError } from '../../error.ts';
import type { ByteSource } from '../checkpoint.ts';
import { quote } from '../strict-json.ts';
import { GgufCursor, type GgufValue, OutOfBytes } from './cursor.ts';
import { type GgmlType, ggmlTypeName, ggmlTypes } from './types.ts';

export interface GgufTensorInfo {
  readonly name: string;
  readonly type: GgmlType;
  /** Slowest first, as Hugging Face writes shapes (the file has the fastest first). */
  readonly shape: readonly number[];
  /** Byte offset from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** In the order of the file. */
  readonly tensors: readonly GgufTensorInfo[];
}

/** Headers beyond this are refused: the largest vocabularies in use take some 20 MB. */
const largestHeader = 100_000_000;
const firstRead = 2_000_000;
const largestCount = 1_000_000;

interface RawTensor extends Omit<GgufTensorInfo, 'offset'> {
  readonly relative: number;
}

function readTensorInfo(cursor: GgufCursor, place: string): RawTensor {
  const name = cursor.string('a tensor name');
  const tensor = `${place}: tensor ${quote(name)}`;
  const dimensions = cursor.u32();
  if (dimensions < 1 || dimensions > 4) throw new LoadError(`${tensor} has ${dimensions} dimensions, expected 1 to 4`);
  const shape = Array.from({ length: dimensions }, () => cursor.u64(`a size of tensor ${quote(name)}`)).reverse();
  const number = cursor.u32();
  const relative = cursor.u64(`the offset of tensor ${quote(name)}`);
  const type = ggmlTypes.get(number);
  if (type === undefined) {
    const known = [...ggmlTypes.values()].map((known) => known.name).join(', ');
    throw new LoadError(
      `${tensor} has type ${ggmlTypeName(number)}, which is not supported (known: ${known}); take another quantisation`,
    );
  }
  const row = shape.at(-1)!;
  const count = shape.reduce((product, size) => product * size, 1);
  const bytes = (count / type.values) * type.bytes;
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(bytes) || row % type.values !== 0 || shape.includes(0)) {
    throw new LoadError(`${tensor} of type ${type.name} has the impossible shape [${shape}]`);
  }
  return { name, type, shape, bytes, relative };
}

/** Tensors lie in the order of the table, each at the next multiple of the alignment, all inside the file. */
function placeTensors(raw: readonly RawTensor[], dataStart: number, alignment: number, size: number, place: string) {
  let expected = 0;
  const tensors = raw.map(({ relative, ...tensor }): GgufTensorInfo => {
    const label = `${place}: tensor ${quote(tensor.name)}`;
    if (relative !== expected) {
      throw new LoadError(
        `${label} lies at byte ${relative} of the data, expected ${expected}: tensors overlap or leave a hole`,
      );
    }
    const end = dataStart + relative + tensor.bytes;
    if (end > size) {
      throw new LoadError(`${label} ends at byte ${end}, the file has ${size}; the download may be incomplete`);
    }
    expected = align(relative + tensor.bytes, alignment);
    return { ...tensor, offset: dataStart + relative };
  });
  if (size > dataStart + expected) {
    throw new LoadError(`${place}: ${size - dataStart - expected} bytes behind the last tensor belong to no tensor`);
  }
  return tensors;
}

function align(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

function parse(bytes: Uint8Array<ArrayBuffer>, size: number, place: string): GgufHeader {
  const cursor = new GgufCursor(bytes, size, place);
  const magic = cursor.u32();
  if (magic !== 0x46554747)
    throw new LoadError(`${place}: expected the letters GGUF at the start; this is not a GGUF file`);
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    const swapped = version >= 1 << 24 || version < 0;
    throw new LoadError(
      `${place}: expected version 2 or 3, got ${version}${swapped ? ' (a big-endian file?)' : ''}; convert it again`,
    );
  }
  const tensorCount = cursor.u64('the number of tensors');
  const keyCount = cursor.u64('the number of metadata keys');
  // The shortest entries there can be: 8 + 4 + 8 + 4 + 8 bytes a tensor, 8 + 4 + 1 a key.
  if (tensorCount > largestCount || keyCount > largestCount || tensorCount * 32 + keyCount * 13 > size) {
    throw new LoadError(
      `${place}: a file of ${size} bytes cannot hold ${tensorCount} tensors and ${keyCount} metadata keys`,
    );
  }
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.string('a metadata key');
    if (metadata.has(key)) throw new LoadError(`${place}: metadata key ${quote(key)} occurs twice`);
    metadata.set(key, cursor.value(key));
  }
  const raw = new Map<string, RawTensor>();
  for (let i = 0; i < tensorCount; i++) {
    const tensor = readTensorInfo(cursor, place);
    if (raw.has(tensor.name)) throw new LoadError(`${place}: tensor ${quote(tensor.name)} occurs twice`);
    raw.set(tensor.name, tensor);
  }
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || !(alignment >= 8 && alignment <= 65536) || alignment % 8 !== 0) {
    throw new LoadError(
      `${place}: general.alignment must be a multiple of 8 up to 65536, got ${String(alignment).slice(0, 40)}`,
    );
  }
  const tensors = placeTensors([...raw.values()], align(cursor.at, alignment), alignment, size, place);
  return { metadata, tensors };
}

/** Reads and checks the header; reads only as much of the file as the header needs. */
export async function parseGgufHeader(source: ByteSource): Promise<GgufHeader> {
  const place = `gguf ${source.name}`;
  const limit = Math.min(source.size, largestHeader);
  for (let length = Math.min(firstRead, limit); ; length = Math.min(length * 4, limit)) {
    try {
      return parse(await source.read(0, length), source.size, place);
    } catch (error) {
      if (!(error instanceof OutOfBytes)) throw error;
      if (length < limit) continue;
      if (limit < source.size) throw new LoadError(`${place}: the header is longer than ${largestHeader} bytes`);
      throw new LoadError(
        `${place}: the header ends after ${source.size} bytes, in the middle; the download may be incomplete`,
      );
    }
  }
}
