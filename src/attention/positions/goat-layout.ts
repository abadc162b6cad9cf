import { InputError } from '../../error.ts';
import { and, cast, concat, divide, less, multiply, subtract, type Tensor, type Within } from '../../tensor/index.ts';
import { waves } from './sinusoidal.ts';

interface Waves {
  readonly cosine: Tensor<string | 'I'>;
  readonly sine: Tensor<string | 'I'>;
}

/** How tokens lie: what the frequencies of a GOAT prior are multiplied by. */
export interface PriorLayout {
  /** Cosines and sines at positions (int64) [..., I], I along the frequencies. */
  waves(positions: Within<string>, frequencies: readonly number[]): Waves;
  /** The same of what lies between positions of queries and of keys. */
  between(queries: Within<string>, keys: Within<string>, frequencies: readonly number[]): Waves;
  /** Is there a term that rises with the index of the key? Only under a causal mask is that a distance. */
  readonly recency: boolean;
}

/** base^(−i / (rank − 1)): from 1 down to 1/base. */
export function priorFrequencies(rank: number, base = 10_000): number[] {
  return Array.from({ length: rank }, (_, i) => base ** (-i / Math.max(rank - 1, 1)));
}

const minus = (a: Within<string>, b: Within<string> | number): Within<string> =>
  subtract(a as Tensor<string>, b as Tensor<string>);

/** Tokens of a text, each at its index. */
export const lineLayout: PriorLayout = {
  waves,
  between: (queries, keys, frequencies) => waves(minus(queries, keys), frequencies),
  recency: true,
};

/** Patches of an image, row after row. */
export interface PatchGrid {
  readonly rows: number;
  readonly columns: number;
  /** Does a class token stand before the patches? It has no row and no column: its waves are 0. Default true. */
  readonly classToken?: boolean;
}

/** Tokens of a grid with its class token. Throws an InputError for sizes that are no whole numbers of at least 1. */
export function gridLength({ rows, columns, classToken = true }: PatchGrid): number {
  for (const [name, value] of Object.entries({ rows, columns }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new InputError(`GOAT: expected grid.${name} to be a whole number of at least 1, got ${value}`);
  return rows * columns + (classToken ? 1 : 0);
}

/** The first half of the frequencies (the greater one of an odd number) is for rows, the rest for columns. */
export function gridLayout({ columns, classToken = true }: PatchGrid): PriorLayout {
  const before = classToken ? 1 : 0;
  const placeOf = (positions: Within<string>) => {
    const patch = minus(positions, before) as Tensor<string>;
    const row = divide(patch, columns);
    return { row, column: subtract(patch, multiply(row, columns)) };
  };
  const isPatch = (positions: Within<string>) => less(0, positions as Tensor<string>);
  function both(row: Within<string>, column: Within<string>, frequencies: readonly number[]): Waves {
    const half = Math.ceil(frequencies.length / 2);
    const [along, across] = [waves(row, frequencies.slice(0, half)), waves(column, frequencies.slice(half))];
    if (half === frequencies.length) return along;
    const joined = (name: keyof Waves) => concat([along[name], across[name]], 'I') as Tensor<string>;
    return { cosine: joined('cosine'), sine: joined('sine') };
  }
  function only(there: Tensor<string>, made: Waves): Waves {
    if (!classToken) return made;
    const factor = cast(there, 'float32') as Tensor<string>;
    return { cosine: multiply(made.cosine, factor), sine: multiply(made.sine, factor) };
  }
  return {
    waves(positions, frequencies) {
      const { row, column } = placeOf(positions);
      return only(isPatch(positions), both(row, column, frequencies));
    },
    between(queries, keys, frequencies) {
      const [i, j] = [placeOf(queries), placeOf(keys)];
      const made = both(minus(i.row, j.row), minus(i.column, j.column), frequencies);
      return only(and(isPatch(queries), isPatch(keys)) as Tensor<string>, made);
    },
    recency: false,
  };
}
