import type { ConfigReader } from '../../load/config.ts';
import type { DecoderSizes } from '../decoder.ts';

/** The first of several spellings of a whole number that is there; all that are there must agree. Throws a LoadError where none is. */
export function readSpelt(c: ConfigReader, keys: readonly string[], max: number): number {
  const range = { min: 1, max };
  let found: number | undefined;
  for (const key of keys) {
    const value = c.int(key, { ...range, default: undefined });
    if (value !== undefined && found !== undefined && value !== found)
      throw c.error(key, `${found} like its other spelling`);
    found ??= value;
  }
  return found ?? c.int(keys[0]!, range);
}

export interface EvenSizesKeys {
  /** Spellings of M, H and L. */
  readonly width: readonly string[];
  readonly heads: readonly string[];
  readonly layers: readonly string[];
  /** Key of the longest text. */
  readonly positions: string;
}

/** Sizes under a family's own keys, where the heads share the model's width evenly: D = M / H, and G = H. */
export function readEvenSizes(c: ConfigReader, keys: EvenSizesKeys): DecoderSizes {
  const M = readSpelt(c, keys.width, 1 << 20);
  const H = readSpelt(c, keys.heads, 1 << 14);
  const there = (spellings: readonly string[]) => spellings.find((key) => c.has(key))!;
  if (M % H !== 0) throw c.error(there(keys.heads), `a divisor of ${there(keys.width)}, ${M}`);
  return {
    L: readSpelt(c, keys.layers, 4096),
    H,
    G: H,
    D: M / H,
    M,
    V: c.int('vocab_size', { min: 1, max: 1 << 24 }),
    maxPositions: c.int(keys.positions, { min: 1, default: 2048 }),
  };
}
