import { LoadError } from '../error.ts';
import type { StoredType } from './checkpoint.ts';
import { decodeBfloat16, decodeHalf } from './half.ts';

/** Element types with one fixed width. */
export type PlainType = Exclude<StoredType, 'MXFP4' | `gguf:${string}`>;

/** Bytes per element. */
export const plainWidth: Readonly<Record<PlainType, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

function fromIntegers(values: Int32Array | Int16Array | Int8Array | Uint8Array, largest: number, place: string) {
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    out[i] = value;
    if (out[i] !== value || value > largest) throw inexact(value, i, largest, place);
  }
  return out;
}

function inexact(value: number | bigint, at: number, largest: number, place: string): LoadError {
  const wanted = largest === 1 ? 'booleans are 0 or 1' : 'float32 cannot hold it exactly; read its bytes instead';
  return new LoadError(`${place}: element ${at} is ${value}, ${wanted}`);
}

/**
 * Little-endian elements to float32. `bytes` must start at offset 0 of its own buffer; float32 is returned without a copy.
 * Halves and float32 are exact, float64 is rounded to the nearest, integers that float32 cannot hold exactly are a LoadError.
 */
export function decodePlain(type: PlainType, bytes: Uint8Array<ArrayBuffer>, place: string): Float32Array<ArrayBuffer> {
  const { buffer } = bytes;
  switch (type) {
    case 'F32':
      return new Float32Array(buffer);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer));
    case 'F16': {
      const out = new Float32Array(bytes.length / 2);
      decodeHalf(new Uint16Array(buffer), out);
      return out;
    }
    case 'BF16': {
      const out = new Float32Array(bytes.length / 2);
      decodeBfloat16(new Uint16Array(buffer), out);
      return out;
    }
    case 'I64': {
      const values = new BigInt64Array(buffer);
      const out = new Float32Array(values.length);
      for (let i = 0; i < values.length; i++) {
        out[i] = Number(values[i]!);
        if (BigInt(out[i]!) !== values[i]) throw inexact(values[i]!, i, Infinity, place);
      }
      return out;
    }
    case 'I32':
      return fromIntegers(new Int32Array(buffer), Infinity, place);
    case 'I16':
      return fromIntegers(new Int16Array(buffer), Infinity, place);
    case 'I8':
      return fromIntegers(new Int8Array(buffer), Infinity, place);
    case 'U8':
      return fromIntegers(bytes, Infinity, place);
    case 'BOOL':
      return fromIntegers(bytes, 1, place);
  }
}
