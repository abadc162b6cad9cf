import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeQ4_0, decodeQ4_1, decodeQ8_0 } from '../../src/load/gguf/blocks.ts';
import {
  fromBlocks,
  fromGgufBlocks,
  toEightBits,
  toFourBits,
  type WeightBlocks,
} from '../../src/load/weight-blocks.ts';

/** Values of blocks, as the docstring defines them. */
function values({ bits, block, codes, scales, offsets }: WeightBlocks): number[] {
  const count = (codes.length * 8) / bits;
  return Array.from({ length: count }, (_, i) => {
    const code = bits === 8 ? codes[i]! : (codes[i >> 1]! >> (4 * (i & 1))) & 15;
    const b = Math.floor(i / block);
    return scales[b]! * (code - 2 ** (bits - 1)) + (offsets?.[b] ?? 0);
  });
}

const formats = [
  ['Q4_0', 18, decodeQ4_0],
  ['Q4_1', 20, decodeQ4_1],
  ['Q8_0', 34, decodeQ8_0],
] as const;

describe('blocks of a GGUF file', () => {
  it.each(formats)('%s: the values stay what they are', (type, size, decode) => {
    const bytes = fc.uint8Array({ minLength: 3 * size, maxLength: 3 * size }).map((raw) => {
      // Halves below 2¹⁵, so that no scale is infinite or NaN.
      for (let at = 0; at < raw.length; at += size) for (const high of [at + 1, at + 3]) raw[high]! &= 0xbb;
      return raw;
    });
    fc.assert(
      fc.property(bytes, (raw) => {
        const expected = new Float32Array(96);
        decode(raw, expected);
        const found = values(fromGgufBlocks(type, raw)!);
        const largest = Math.max(...expected.map(Math.abs));
        found.forEach((value, i) => {
          expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(largest * 1e-6);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('of any other type are not blocks that can be multiplied', () => {
    expect(fromGgufBlocks('Q6_K', new Uint8Array(210))).toBeUndefined();
    expect(fromGgufBlocks('constructor', new Uint8Array(210))).toBeUndefined();
  });
});

describe('rounding to blocks', () => {
  const rows = fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 64, maxLength: 64 });
  it('of 8 bits is off by half a step of 127 at most', () => {
    fc.assert(
      fc.property(rows, (row) => {
        values(toEightBits(Float32Array.from(row))).forEach((value, i) => {
          const b = Math.floor(i / 32) * 32;
          const largest = Math.max(...row.slice(b, b + 32).map(Math.abs));
          expect(Math.abs(value - row[i]!)).toBeLessThanOrEqual((largest / 127) * 0.501 + 1e-30);
        });
      }),
    );
  });
  it('of 4 bits is off by half a step of 15 between the least and the greatest at most', () => {
    fc.assert(
      fc.property(rows, (row) => {
        values(toFourBits(Float32Array.from(row))).forEach((value, i) => {
          const b = Math.floor(i / 32) * 32;
          const part = row.slice(b, b + 32);
          const step = (Math.max(...part) - Math.min(...part)) / 15;
          expect(Math.abs(value - row[i]!)).toBeLessThanOrEqual(step * 0.501 + 1e-5);
        });
      }),
    );
  });
});

describe('the numbers that blocks stand for', () => {
  const numbers = Float32Array.from({ length: 96 }, (_, i) => Math.sin(i * 1.7) * (1 + (i >> 5)));
  it.each([
    ['8', toEightBits, 1 / 127 / 2],
    ['4', toFourBits, 2 / 15 / 2],
  ] as const)('are within half a step of %s bits of what was rounded', (_, round, halfStep) => {
    const blocks = round(numbers);
    const found = fromBlocks(blocks);
    expect(Array.from(found)).toEqual(values(blocks).map(Math.fround));
    found.forEach((value, i) => {
      expect(Math.abs(value - numbers[i]!)).toBeLessThanOrEqual(halfStep * (1 + (i >> 5)) * 1.001);
    });
    expect(found).not.toEqual(numbers);
  });
});
