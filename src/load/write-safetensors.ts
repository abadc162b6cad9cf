import { InputError } from '../error.ts';
import { type PlainType, plainWidth } from './decode-plain.ts';
import { encodeHalf } from './half.ts';
import { elements } from './provenance.ts';
import { quote } from './strict-json.ts';

type TensorValues = Float32Array | BigInt64Array | Uint8Array | Int32Array;

/** A tensor to write. Values may be made when their turn comes, so a long capture need not be held whole. */
export interface TensorToWrite {
  /** F32 and F16 take a Float32Array (F16 rounds to nearest even), I64 a BigInt64Array, I32 an Int32Array, U8 a Uint8Array. */
  readonly dtype: 'F32' | 'F16' | 'I64' | 'I32' | 'U8';
  readonly shape: readonly number[];
  readonly values: TensorValues | (() => TensorValues | Promise<TensorValues>);
}

const arrayOf = { F32: Float32Array, F16: Float32Array, I64: BigInt64Array, I32: Int32Array, U8: Uint8Array };

/** The header's bytes, padded with spaces to a multiple of eight, and the order of the data: wide elements first, so all are aligned. */
function layOut(tensors: ReadonlyMap<string, TensorToWrite>, metadata: ReadonlyMap<string, string>) {
  const order = [...tensors].sort(
    ([, a], [, b]) => plainWidth[b.dtype as PlainType] - plainWidth[a.dtype as PlainType],
  );
  const parts: string[] = [];
  if (metadata.size > 0) parts.push(`"__metadata__":${JSON.stringify(Object.fromEntries(metadata))}`);
  let end = 0;
  for (const [name, { dtype, shape }] of order) {
    if (name === '__metadata__') throw new InputError('writeSafetensors: a tensor cannot be called "__metadata__"');
    const begin = end;
    end += elements(shape) * plainWidth[dtype];
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(end)) {
      throw new InputError(`writeSafetensors: tensor ${quote(name)} has the impossible shape [${shape}]`);
    }
    parts.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  return { order, header, size: header.length + end };
}

function toBytes(name: string, { dtype, shape }: TensorToWrite, values: TensorValues): Uint8Array {
  const wanted = arrayOf[dtype];
  if (!(values instanceof wanted) || values.length !== elements(shape)) {
    throw new InputError(
      `writeSafetensors: tensor ${quote(name)} of dtype ${dtype} and shape [${shape}] needs a ${wanted.name} of ` +
        `${elements(shape)} values, got a ${values.constructor.name} of ${values.length}`,
    );
  }
  const stored = dtype === 'F16' ? encodeHalf(values as Float32Array) : values;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

/** The bytes of a safetensors file, piece by piece: the header, then one piece per tensor. */
export async function* safetensorsChunks(
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: ReadonlyMap<string, string> = new Map(),
): AsyncGenerator<Uint8Array> {
  const { order, header } = layOut(tensors, metadata);
  yield header;
  for (const [name, tensor] of order) {
    const values = typeof tensor.values === 'function' ? await tensor.values() : tensor.values;
    yield toBytes(name, tensor, values);
  }
}

/** A whole safetensors file in memory. Throws an InputError when values do not fit their dtype or shape. */
export async function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(layOut(tensors, metadata).size);
  let end = 0;
  for await (const chunk of safetensorsChunks(tensors, metadata)) {
    bytes.set(chunk, end);
    end += chunk.length;
  }
  return bytes;
}
