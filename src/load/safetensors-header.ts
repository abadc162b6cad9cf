/**
 * The header of a safetensors file: eight bytes of length, a JSON object, then the data without holes.
 * Format: https://github.com/huggingface/safetensors. Nothing in it is believed before it is checked.
 */
import { LoadError } from '../error.ts';
import type { ByteSource } from './checkpoint.ts';
import { type PlainType, plainWidth } from './decode-plain.ts';
import { parseJsonObject, quote, show } from './strict-json.ts';

/** The format's own limit on the length of the JSON, in bytes. */
const largestHeader = 100_000_000;

export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: PlainType;
  readonly shape: readonly number[];
  /** Byte offset from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  /** `__metadata__`: strings by name. */
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their offsets. */
  readonly entries: readonly SafetensorsEntry[];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);
}

function readMetadata(value: unknown, place: string): Map<string, string> {
  if (!isRecord(value)) throw new LoadError(`${place}: __metadata__ must be an object of strings, got ${show(value)}`);
  const metadata = new Map<string, string>();
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw new LoadError(`${place}: __metadata__ ${quote(key)} must be a string, got ${show(text)}`);
    }
    metadata.set(key, text);
  }
  return metadata;
}

function readDtype(value: unknown, tensor: string): PlainType {
  if (typeof value === 'string' && Object.hasOwn(plainWidth, value)) return value as PlainType;
  throw new LoadError(
    `${tensor} has dtype ${show(value)}, which is not supported (known: ${Object.keys(plainWidth).join(', ')}); convert it first`,
  );
}

function readEntry(name: string, value: unknown, dataStart: number, place: string): SafetensorsEntry {
  const tensor = `${place}: tensor ${quote(name)}`;
  if (!isRecord(value)) throw new LoadError(`${tensor} must be an object, got ${show(value)}`);
  const { dtype: type, shape, data_offsets: offsets, ...others } = value;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) throw new LoadError(`${tensor} has the unknown key ${quote(unknown)}`);
  const dtype = readDtype(type, tensor);
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw new LoadError(`${tensor} must have a shape of non-negative integers, got ${show(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0]! > offsets[1]!) {
    throw new LoadError(`${tensor} must have data_offsets [begin, end] with 0 <= begin <= end, got ${show(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  let expected = plainWidth[dtype];
  for (const size of shape) expected *= size;
  if (!Number.isSafeInteger(expected)) throw new LoadError(`${tensor} has the impossible shape [${shape}]`);
  if (expected !== end - begin) {
    throw new LoadError(
      `${tensor} of shape [${shape}] and dtype ${dtype} takes ${expected} bytes, its offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape, offset: dataStart + begin, bytes: expected };
}

/** The tensors must cover the data exactly: in order, no overlap, no hole, nothing behind the last. */
function checkLayout(entries: readonly SafetensorsEntry[], dataStart: number, size: number, place: string): void {
  let end = dataStart;
  for (const { name, offset, bytes } of entries) {
    const tensor = `${place}: tensor ${quote(name)}`;
    if (offset < end)
      throw new LoadError(`${tensor} overlaps the one before it, at byte ${offset - dataStart} of the data`);
    if (offset > end) throw new LoadError(`${tensor} leaves a hole of ${offset - end} bytes before it`);
    end = offset + bytes;
    if (end > size) {
      throw new LoadError(`${tensor} ends at byte ${end}, the file has ${size}; the download may be incomplete`);
    }
  }
  if (end < size) throw new LoadError(`${place}: ${size - end} bytes behind the last tensor belong to no tensor`);
}

/** Reads and checks the header. Throws a LoadError that names the file, the tensor, what was expected and what came. */
export async function parseSafetensorsHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const place = `safetensors ${source.name}`;
  if (source.size < 10) throw new LoadError(`${place}: the file has ${source.size} bytes, too few for a header`);
  const prefix = await source.read(0, 8);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length < 2 || length > largestHeader || length > source.size - 8) {
    throw new LoadError(
      `${place}: header length ${length} must lie between 2 and ${Math.min(largestHeader, source.size - 8)}; ` +
        'the file is not safetensors, or the download is incomplete',
    );
  }
  const json = await source.read(8, length);
  if (json[0] !== 0x7b) throw new LoadError(`${place}: header must start with "{"`);
  const dataStart = 8 + length;
  let metadata: ReadonlyMap<string, string> = new Map();
  const entries: SafetensorsEntry[] = [];
  for (const [name, value] of Object.entries(parseJsonObject(json, `${place} header`))) {
    if (name === '__metadata__') metadata = readMetadata(value, place);
    else entries.push(readEntry(name, value, dataStart, place));
  }
  entries.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  checkLayout(entries, dataStart, source.size, place);
  return { metadata, entries };
}
