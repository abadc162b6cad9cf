/**
 * The IQ formats of GGUF, decoded bit for bit as the reference does: codes name points of a grid, four or eight values at once, whose
 * signs are stored apart (in the one-bit formats the points have signs and are moved by an eighth). d is the scale of a block of 256, s the
 * small integer scale of a group.
 */
import { halfTable } from '../half.ts';
import { oneBit, threeBitS, threeBitXxs, twoBitS, twoBitXs, twoBitXxs } from './codebooks.ts';

const u16 = (bytes: Uint8Array, at: number) => bytes[at]! | (bytes[at + 1]! << 8);
const u32 = (bytes: Uint8Array, at: number) => (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;

/** Seven stored signs of eight: the last makes the number of minus signs even. */
const eightSigns = Uint8Array.from({ length: 128 }, (_, signs) => {
  let odd = 0;
  for (let bit = 0; bit < 7; bit++) odd ^= (signs >> bit) & 1;
  return signs | (odd << 7);
});

/** Writes `count` values of a point times `scale`, minus where the bit in `signs` is set. */
function signed(
  out: Float32Array,
  to: number,
  grid: Int8Array,
  from: number,
  count: number,
  scale: number,
  signs: number,
) {
  for (let j = 0; j < count; j++) out[to + j] = (signs >> j) & 1 ? -scale * grid[from + j]! : scale * grid[from + j]!;
}

/** value = d (2s + 1) g / 8; block: d, for each 32 values four bytes of points and four of signs (4 times 7 bits) and s. */
export function decodeIQ2_XXS(bytes: Uint8Array, out: Float32Array): void {
  const [half, grid] = [halfTable(), twoBitXxs()];
  for (let at = 0, to = 0; to < out.length; at += 66, to += 256) {
    const d = half[u16(bytes, at)]!;
    for (let group = 0; group < 8; group++) {
      const from = at + 2 + group * 8;
      const word = u32(bytes, from + 4);
      const scale = (d * (2 * (word >>> 28) + 1)) / 8;
      for (let i = 0; i < 4; i++) {
        const signs = eightSigns[(word >>> (7 * i)) & 127]!;
        signed(out, to + group * 32 + i * 8, grid, bytes[from + i]! * 8, 8, scale, signs);
      }
    }
  }
}

/** value = d (2s + 1) g / 8; block: d, for each 8 values two bytes of point (9 bits) and signs (7), then s of each 16 (four bits). */
export function decodeIQ2_XS(bytes: Uint8Array, out: Float32Array): void {
  const [half, grid] = [halfTable(), twoBitXs()];
  for (let at = 0, to = 0; to < out.length; at += 74, to += 256) {
    const d = half[u16(bytes, at)]!;
    for (let i = 0; i < 32; i++) {
      const s = (bytes[at + 66 + (i >> 2)]! >> ((i & 2) * 2)) & 15;
      const code = u16(bytes, at + 2 + i * 2);
      signed(out, to + i * 8, grid, (code & 511) * 8, 8, (d * (2 * s + 1)) / 8, eightSigns[code >> 9]!);
    }
  }
}

/** value = d (2s + 1) g / 8; block: d, 32 bytes of points, 32 of signs, 8 with two more bits of each point, 8 of s of each 16. */
export function decodeIQ2_S(bytes: Uint8Array, out: Float32Array): void {
  const [half, grid] = [halfTable(), twoBitS()];
  for (let at = 0, to = 0; to < out.length; at += 82, to += 256) {
    const d = half[u16(bytes, at)]!;
    for (let i = 0; i < 32; i++) {
      const s = (bytes[at + 74 + (i >> 2)]! >> ((i & 2) * 2)) & 15;
      const high = (bytes[at + 66 + (i >> 2)]! >> ((i & 3) * 2)) & 3;
      const point = bytes[at + 2 + i]! | (high << 8);
      signed(out, to + i * 8, grid, point * 8, 8, (d * (2 * s + 1)) / 8, bytes[at + 34 + i]!);
    }
  }
}

/** value = d (2s + 1) g / 4; block: d, 64 bytes of points of four, for each 32 values four bytes of signs (4 times 7 bits) and s. */
export function decodeIQ3_XXS(bytes: Uint8Array, out: Float32Array): void {
  const [half, grid] = [halfTable(), threeBitXxs()];
  for (let at = 0, to = 0; to < out.length; at += 98, to += 256) {
    const d = half[u16(bytes, at)]!;
    for (let i = 0; i < 64; i++) {
      const word = u32(bytes, at + 66 + (i >> 3) * 4);
      const signs = eightSigns[(word >>> (7 * ((i >> 1) & 3))) & 127]! >> ((i & 1) * 4);
      signed(out, to + i * 4, grid, bytes[at + 2 + i]! * 4, 4, (d * (2 * (word >>> 28) + 1)) / 4, signs);
    }
  }
}

/** value = d (2s + 1) g; block: d, 64 bytes of points of four, 8 with one more bit of each, 32 of signs, 4 of s of each 32. */
export function decodeIQ3_S(bytes: Uint8Array, out: Float32Array): void {
  const [half, grid] = [halfTable(), threeBitS()];
  for (let at = 0, to = 0; to < out.length; at += 110, to += 256) {
    const d = half[u16(bytes, at)]!;
    for (let i = 0; i < 64; i++) {
      const s = (bytes[at + 106 + (i >> 4)]! >> (((i >> 3) & 1) * 4)) & 15;
      const point = bytes[at + 2 + i]! | (((bytes[at + 66 + (i >> 3)]! >> (i & 7)) & 1) << 8);
      signed(out, to + i * 4, grid, point * 4, 4, d * (2 * s + 1), bytes[at + 74 + (i >> 1)]! >> ((i & 1) * 4));
    }
  }
}

/** Eight values of a one-bit point: scale (g + 1/8), or minus an eighth. */
function moved(out: Float32Array, to: number, grid: Int8Array, point: number, scale: number, down: boolean): void {
  const delta = down ? -0.125 : 0.125;
  for (let j = 0; j < 8; j++) out[to + j] = scale * (grid[point * 8 + j]! + delta);
}

/** value = d (2s + 1) (g ± 1/8); block: d, 32 bytes of points, for each 32 values 16 bits: four times three more bits, s, the sign. */
export function decodeIQ1_S(bytes: Uint8Array, out: Float32Array): void {
  const [half, grid] = [halfTable(), oneBit()];
  for (let at = 0, to = 0; to < out.length; at += 50, to += 256) {
    const d = half[u16(bytes, at)]!;
    for (let i = 0; i < 32; i++) {
      const word = u16(bytes, at + 34 + (i >> 2) * 2);
      const point = bytes[at + 2 + i]! | (((word >> (3 * (i & 3))) & 7) << 8);
      moved(out, to + i * 8, grid, point, d * (2 * ((word >> 12) & 7) + 1), word >= 0x8000);
    }
  }
}

/**
 * value = d (2s + 1) (g ± 1/8); block: 32 bytes of points, 16 with three more bits and the sign of each, four words with s of each 16
 * values (three bits) and in their upper four bits, first word lowest, d.
 */
export function decodeIQ1_M(bytes: Uint8Array, out: Float32Array): void {
  const [half, grid] = [halfTable(), oneBit()];
  for (let at = 0, to = 0; to < out.length; at += 56, to += 256) {
    let bits = 0;
    for (let word = 0; word < 4; word++) bits |= (u16(bytes, at + 48 + word * 2) >> 12) << (4 * word);
    const d = half[bits]!;
    for (let i = 0; i < 32; i++) {
      const high = bytes[at + 32 + (i >> 1)]! >> ((i & 1) * 4);
      const point = bytes[at + i]! | ((high & 7) << 8);
      const s = (u16(bytes, at + 48 + (i >> 3) * 2) >> (3 * ((i >> 1) & 3))) & 7;
      moved(out, to + i * 8, grid, point, d * (2 * s + 1), (high & 8) !== 0);
    }
  }
}

const levels = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

/** value = d level(q); block: d, 16 bytes of nibbles. */
export function decodeIQ4_NL(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 18, to += 32) {
    const d = half[u16(bytes, at)]!;
    for (let j = 0; j < 16; j++) {
      out[to + j] = d * levels[bytes[at + 2 + j]! & 15]!;
      out[to + j + 16] = d * levels[bytes[at + 2 + j]! >> 4]!;
    }
  }
}

/** value = d (s - 32) level(q); block: d, 16 bits with two of s of each 32, 4 bytes with four more, 128 of nibbles. */
export function decodeIQ4_XS(bytes: Uint8Array, out: Float32Array): void {
  const half = halfTable();
  for (let at = 0, to = 0; to < out.length; at += 136, to += 256) {
    const d = half[u16(bytes, at)]!;
    for (let group = 0; group < 8; group++) {
      const low = (bytes[at + 4 + (group >> 1)]! >> ((group & 1) * 4)) & 15;
      const high = (u16(bytes, at + 2) >> (group * 2)) & 3;
      const scale = d * ((low | (high << 4)) - 32);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 8 + group * 16 + j]!;
        out[to + group * 32 + j] = scale * levels[pair & 15]!;
        out[to + group * 32 + j + 16] = scale * levels[pair >> 4]!;
      }
    }
  }
}
