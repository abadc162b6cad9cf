/** Formats of GGUF for weights that are -1, 0 or 1 times the scale d of their 256 values, decoded bit for bit as the reference does. */
import { halfTable } from '../half.ts';

const powers = [1, 3, 9, 27, 81];

/**
 * Block: 32 and 16 bytes of five digits each, 4 bytes of four, d. A byte is a fraction in base 3: times 3^n modulo 256, the upper part
 * of three times that is digit n. The first digits of all bytes of a part come first, then the second ones.
 */
export function decodeTQ1_0(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 54) {
    const d = half[bytes[at + 52]! | (bytes[at + 53]! << 8)]!;
    for (const [start, count, digits] of [
      [0, 32, 5],
      [32, 16, 5],
      [48, 4, 4],
    ] as const) {
      for (let n = 0; n < digits; n++) {
        for (let j = 0; j < count; j++) {
          const fraction = (bytes[at + start + j]! * powers[n]!) & 255;
          out[to++] = d * (((fraction * 3) >> 8) - 1);
        }
      }
    }
  }
}

/** value = d (q - 1); block: 64 bytes of bit pairs, d. */
export function decodeTQ2_0(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 66, to += 256) {
    const d = half[bytes[at + 64]! | (bytes[at + 65]! << 8)]!;
    for (let run = 0; run < 8; run++) {
      const from = at + (run >> 2) * 32;
      const shift = (run & 3) * 2;
      for (let j = 0; j < 32; j++) out[to + run * 32 + j] = d * (((bytes[from + j]! >> shift) & 3) - 1);
    }
  }
}
