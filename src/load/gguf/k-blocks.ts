/**
 * The K formats of GGUF of 2, 3, 4, 5 and 6 bits, decoded bit for bit as the reference does. 256 values share a scale d (and a
 * minimum dmin); groups of 16 or 32 have small integer scales s (and minima m) of their own.
 */
import { halfTable } from '../half.ts';

/** value = d s q - dmin m; block: 16 bytes with s in the low and m in the high bits, 64 bytes of bit pairs, d, dmin. */
export function decodeQ2_K(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 84, to += 256) {
    const d = half[bytes[at + 80]! | (bytes[at + 81]! << 8)]!;
    const dmin = half[bytes[at + 82]! | (bytes[at + 83]! << 8)]!;
    for (let group = 0; group < 16; group++) {
      const pair = bytes[at + group]!;
      const scale = d * (pair & 15);
      const minimum = dmin * (pair >> 4);
      const from = at + 16 + (group >> 3) * 32 + (group & 1) * 16;
      const shift = group & 6;
      for (let j = 0; j < 16; j++) out[to + group * 16 + j] = scale * ((bytes[from + j]! >> shift) & 3) - minimum;
    }
  }
}

/** value = d (s - 32) q, q from -4 to 3; block: 32 bytes of third bits (0 takes 4 away), 64 of bit pairs, 12 of six-bit s, d. */
export function decodeQ3_K(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 110, to += 256) {
    const d = half[bytes[at + 108]! | (bytes[at + 109]! << 8)]!;
    for (let group = 0; group < 16; group++) {
      const low = (bytes[at + 96 + (group & 7)]! >> ((group >> 3) * 4)) & 15;
      const high = (bytes[at + 104 + (group & 3)]! >> ((group >> 2) * 2)) & 3;
      const scale = d * ((low | (high << 4)) - 32);
      const third = at + (group & 1) * 16;
      const from = at + 32 + (group >> 3) * 32 + (group & 1) * 16;
      const shift = group & 6;
      for (let j = 0; j < 16; j++) {
        const four = (bytes[third + j]! >> (group >> 1)) & 1 ? 0 : 4;
        out[to + group * 16 + j] = scale * (((bytes[from + j]! >> shift) & 3) - four);
      }
    }
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

/** Six bits: the first four groups have a byte each, the others four bits there and two on top of an earlier byte. */
function groupScale(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group]! & 63;
  return (bytes[at + group + 4]! & 15) | ((bytes[at + group - 4]! >> 6) << 4);
}

function groupMinimum(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group + 4]! & 63;
  return (bytes[at + group + 4]! >> 4) | ((bytes[at + group]! >> 6) << 4);
}
