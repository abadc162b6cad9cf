import { halfTable } from './half.ts';

/**
 * A matrix in blocks of 32 along its rows: value = scale · (code − 2^(bits − 1)) + offset. Codes of four bits lie two in a byte, the first
 * in the low bits; this is how ONNX Runtime multiplies them.
 */
export interface WeightBlocks {
  readonly bits: 4 | 8;
  readonly block: 32;
  readonly codes: Uint8Array<ArrayBuffer>;
  /** One for each block. */
  readonly scales: Float32Array<ArrayBuffer>;
  /** One for each block; absent: 0. */
  readonly offsets?: Float32Array<ArrayBuffer>;
}

const block = 32;

/** Rounded to 8 bits: scale = max |x| / 127 of each block. The length is a multiple of 32. */
export function toEightBits(values: Float32Array): WeightBlocks {
  const codes = new Uint8Array(values.length);
  const scales = new Float32Array(values.length / block);
  for (let b = 0; b < scales.length; b++) {
    let largest = 0;
    for (let i = b * block; i < (b + 1) * block; i++) largest = Math.max(largest, Math.abs(values[i]!));
    const scale = Math.fround(largest / 127);
    scales[b] = scale;
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (let i = b * block; i < (b + 1) * block; i++) codes[i] = Math.round(values[i]! * inverse) + 128;
  }
  return { bits: 8, block, codes, scales };
}

/** Rounded to 4 bits between the least and the greatest value of each block. The length is a multiple of 32. */
export function toFourBits(values: Float32Array): WeightBlocks {
  const codes = new Uint8Array(values.length / 2);
  const scales = new Float32Array(values.length / block);
  const offsets = new Float32Array(values.length / block);
  for (let b = 0; b < scales.length; b++) {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let i = b * block; i < (b + 1) * block; i++) {
      low = Math.min(low, values[i]!);
      high = Math.max(high, values[i]!);
    }
    const scale = Math.fround((high - low) / 15);
    scales[b] = scale;
    offsets[b] = low + 8 * scale;
    const inverse = scale === 0 ? 0 : 1 / scale;
    const code = (i: number) => Math.min(15, Math.round((values[i]! - low) * inverse));
    for (let i = b * block; i < (b + 1) * block; i += 2) codes[i / 2] = code(i) | (code(i + 1) << 4);
  }
  return { bits: 4, block, codes, scales, offsets };
}

/** The numbers that blocks stand for. */
export function fromBlocks({ bits, codes, scales, offsets }: WeightBlocks): Float32Array<ArrayBuffer> {
  const values = new Float32Array(scales.length * block);
  const middle = 2 ** (bits - 1);
  for (let i = 0; i < values.length; i++) {
    const b = Math.floor(i / block);
    const code = bits === 8 ? codes[i]! : (codes[i >> 1]! >> (4 * (i & 1))) & 15;
    values[i] = scales[b]! * (code - middle) + (offsets?.[b] ?? 0);
  }
  return values;
}

/** Sixteen bytes with value j in the low and value j + 16 in the high bits of byte j, as pairs of neighbours. */
function pairNeighbours(bytes: Uint8Array, at: number, out: Uint8Array, to: number): void {
  for (let j = 0; j < 8; j++) {
    const [first, second] = [bytes[at + 2 * j]!, bytes[at + 2 * j + 1]!];
    out[to + j] = (first & 15) | ((second & 15) << 4);
    out[to + 8 + j] = (first >> 4) | (second & 240);
  }
}

const half = (bytes: Uint8Array, at: number) => halfTable()[bytes[at]! | (bytes[at + 1]! << 8)]!;

/** GGUF's block formats that are such blocks already; the values stay what they are. */
const converters: Readonly<Record<string, (bytes: Uint8Array) => WeightBlocks>> = {
  Q4_0(bytes) {
    const count = bytes.length / 18;
    const [codes, scales] = [new Uint8Array(count * 16), new Float32Array(count)];
    for (let b = 0; b < count; b++) {
      scales[b] = half(bytes, b * 18);
      pairNeighbours(bytes, b * 18 + 2, codes, b * 16);
    }
    return { bits: 4, block, codes, scales };
  },
  Q4_1(bytes) {
    const count = bytes.length / 20;
    const [codes, scales, offsets] = [new Uint8Array(count * 16), new Float32Array(count), new Float32Array(count)];
    for (let b = 0; b < count; b++) {
      const scale = half(bytes, b * 20);
      scales[b] = scale;
      offsets[b] = half(bytes, b * 20 + 2) + 8 * scale;
      pairNeighbours(bytes, b * 20 + 4, codes, b * 16);
    }
    return { bits: 4, block, codes, scales, offsets };
  },
  Q8_0(bytes) {
    const count = bytes.length / 34;
    const [codes, scales] = [new Uint8Array(count * block), new Float32Array(count)];
    for (let b = 0; b < count; b++) {
      scales[b] = half(bytes, b * 34);
      for (let j = 0; j < block; j++) codes[b * block + j] = bytes[b * 34 + 2 + j]! ^ 128;
    }
    return { bits: 8, block, codes, scales };
  },
};

/** Blocks as a GGUF file has them, of type `Q4_0`, `Q4_1` or `Q8_0`; undefined for every other type. */
export function fromGgufBlocks(type: string, bytes: Uint8Array): WeightBlocks | undefined {
  return Object.hasOwn(converters, type) ? converters[type]!(bytes) : undefined;
}
