/**
 * Block formats of GGUF, decoded to float32 exactly as the reference does (bit for bit: every product is exact in float64, and
 * each value is rounded once). A decoder reads `out.length / values` whole blocks from the start of `bytes`.
 *
 * d is a block's scale, m its minimum. Q4 and Q5: the low nibbles hold the first half of a block, the high nibbles the second.
 */
import { halfTable } from '../half.ts';

export type BlockDecoder = (bytes: Uint8Array, out: Float32Array) => void;

/** value = (q - 8) d; block: d, 16 bytes of nibbles. */
export function decodeQ4_0(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 18, to += 32) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 2 + j]!;
      out[to + j] = ((pair & 15) - 8) * d;
      out[to + j + 16] = ((pair >> 4) - 8) * d;
    }
  }
}

/** value = q d + m; block: d, m, 16 bytes of nibbles. */
export function decodeQ4_1(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 20, to += 32) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const m = half[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 4 + j]!;
      out[to + j] = (pair & 15) * d + m;
      out[to + j + 16] = (pair >> 4) * d + m;
    }
  }
}

/** value = (q - 16) d; block: d, 32 fifth bits, 16 bytes of nibbles. */
export function decodeQ5_0(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 22, to += 32) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const fifth = fourBytes(bytes, at + 2);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 6 + j]!;
      out[to + j] = (((pair & 15) | (((fifth >>> j) & 1) << 4)) - 16) * d;
      out[to + j + 16] = (((pair >> 4) | (((fifth >>> (j + 16)) & 1) << 4)) - 16) * d;
    }
  }
}

/** value = q d + m; block: d, m, 32 fifth bits, 16 bytes of nibbles. */
export function decodeQ5_1(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 24, to += 32) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const m = half[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    const fifth = fourBytes(bytes, at + 4);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 8 + j]!;
      out[to + j] = ((pair & 15) | (((fifth >>> j) & 1) << 4)) * d + m;
      out[to + j + 16] = ((pair >> 4) | (((fifth >>> (j + 16)) & 1) << 4)) * d + m;
    }
  }
}

/** value = q d; block: d, 32 signed bytes. */
export function decodeQ8_0(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0, to = 0; to < out.length; at += 34, to += 32) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let j = 0; j < 32; j++) out[to + j] = signed[at + 2 + j]! * d;
  }
}

/** Twice the values of the four-bit float E2M1. */
export const doubledE2M1 = Float64Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

/** value = 2^(e - 127) E2M1; block: e, 16 bytes of nibbles (OCP microscaling format). */
export function decodeMXFP4(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 17, to += 32) {
    const scale = 2 ** (bytes[at]! - 128);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 1 + j]!;
      out[to + j] = scale * doubledE2M1[pair & 15]!;
      out[to + j + 16] = scale * doubledE2M1[pair >> 4]!;
    }
  }
}

function fourBytes(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
