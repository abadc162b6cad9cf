/**
 * Block formats of GGUF, decoded to float32 exactly as the reference does (bit for bit: every product is exact in float64, and
 * each value is rounded once). A decoder reads `out.length / values` whole blocks from the start of `bytes`.
 *
 * d is a block's scale, m its minimum; in the K formats 256 values share them and groups of 32 (16 in Q6_K) have small integer
 * scales of their own. Q4 and Q5: the low nibbles hold the first half of a group, the high nibbles the second.
 */
import { halfTable } from './half.ts';

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

/** value = d s q - dmin m; block: d, dmin, 8 six-bit pairs (s, m) in 12 bytes, 128 bytes of nibbles. */
export function decodeQ4_K(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 144, to += 256) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const dmin = half[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let group = 0; group < 8; group++) {
      const scale = d * groupScale(bytes, at + 4, group);
      const minimum = dmin * groupMinimum(bytes, at + 4, group);
      const from = at + 16 + (group >> 1) * 32;
      const shift = (group & 1) * 4;
      for (let j = 0; j < 32; j++) out[to + group * 32 + j] = scale * ((bytes[from + j]! >> shift) & 15) - minimum;
    }
  }
}

/** value = d s q - dmin m; block: d, dmin, 12 bytes of (s, m), 32 bytes of fifth bits (bit `group`), 128 bytes of nibbles. */
export function decodeQ5_K(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 176, to += 256) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const dmin = half[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let group = 0; group < 8; group++) {
      const scale = d * groupScale(bytes, at + 4, group);
      const minimum = dmin * groupMinimum(bytes, at + 4, group);
      const from = at + 48 + (group >> 1) * 32;
      const shift = (group & 1) * 4;
      for (let j = 0; j < 32; j++) {
        const q = ((bytes[from + j]! >> shift) & 15) | (((bytes[at + 16 + j]! >> group) & 1) << 4);
        out[to + group * 32 + j] = scale * q - minimum;
      }
    }
  }
}

/** value = d s (q - 32); block: 128 bytes of low nibbles, 64 of high bit pairs, 16 signed scales s, d. */
export function decodeQ6_K(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0, to = 0; to < out.length; at += 210, to += 256) {
    const d = half[bytes[at + 208]! | (bytes[at + 209]! << 8)]!;
    for (let run = 0; run < 8; run++) {
      // 32 values each; runs 0 to 3 lie in the first half of the block, 4 to 7 in the second.
      const low = at + (run >> 2) * 64 + (run & 1) * 32;
      const lowShift = (run & 2) * 2;
      const high = at + 128 + (run >> 2) * 32;
      const highShift = (run & 3) * 2;
      for (let j = 0; j < 32; j++) {
        const q = ((bytes[low + j]! >> lowShift) & 15) | (((bytes[high + j]! >> highShift) & 3) << 4);
        out[to + run * 32 + j] = d * signed[at + 192 + run * 2 + (j >> 4)]! * (q - 32);
      }
    }
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

/** Six bits: the first four groups have a byte each, the others four bits there and two on top of an earlier byte. */
function groupScale(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group]! & 63;
  return (bytes[at + group + 4]! & 15) | ((bytes[at + group - 4]! >> 6) << 4);
}

function groupMinimum(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group + 4]! & 63;
  return (bytes[at + group + 4]! >> 4) | ((bytes[at + group]! >> 6) << 4);
}
