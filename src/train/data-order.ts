/**
 * A random order of 0 … size − 1 that is computed place by place and never stored: a Feistel network of four rounds over the next even power of two,
 * walked again while it leaves the range. The same seed and epoch give the same order everywhere.
 *
 * @returns the number at a place.
 */
export function shuffledOrder(size: number, seed: number, epoch: number): (place: number) => number {
  const half = Math.max(1, Math.ceil(Math.log2(Math.max(2, size)) / 2));
  const mask = 2 ** half - 1;
  const keys = [0, 1, 2, 3].map((round) => mix(mix(mix(seed) ^ epoch) + round));
  return (place) => {
    let value = place;
    do {
      let left = Math.floor(value / (mask + 1));
      let right = value & mask;
      for (const key of keys) [left, right] = [right, left ^ (mix(right ^ key) & mask)];
      value = left * (mask + 1) + right;
    } while (value >= size);
    return value;
  };
}

/** One of 0 … size − 1 from seed and epoch. */
export function drawnShift(size: number, seed: number, epoch: number): number {
  return mix(mix(mix(seed) ^ epoch) ^ 0x5bd1e995) % size;
}

/** 32 bits to 32 well-mixed bits, one to one (the finaliser of MurmurHash3, shifted so that 0 does not stay 0). */
function mix(value: number): number {
  let bits = (value + 0x9e3779b9) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
