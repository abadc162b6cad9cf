import {
  and,
  cast,
  equal,
  iota,
  less,
  lessOrEqual,
  or,
  type Size,
  select,
  subtract,
  type Tensor,
  type Within,
} from '../tensor/index.ts';

/** Where queries and keys stand. Indices order the causal mask; positions are what RoPE and position tables see. */
export interface Places {
  /** Index of each query in the text. */
  readonly queries: Tensor<'T'>;
  /** Index of each key. */
  readonly keys: Tensor<'S'>;
  readonly queryPositions: Within<'B' | 'T'>;
  readonly keyPositions: Within<'B' | 'S'>;
  /** False where a key is padding; absent without padding. */
  readonly keyIsReal?: Tensor<'B' | 'S'>;
  /** Keys before this index are seen by every query (prefix language models). Default none. */
  readonly prefix?: number;
  /** Patches of a picture, which stand last: positions in two dimensions are told from it. */
  readonly grid?: { readonly rows: number; readonly columns: number };
}

/** Queries T and keys S of one text, both from index 0, without padding. */
export function wholeText(length: Size): Places {
  const queries = iota('T', length);
  const keys = iota('S', length);
  return { queries, keys, queryPositions: queries, keyPositions: keys };
}

/**
 * True where query T may see key S: not after itself, inside the window (itself and window − 1 before it), or in the prefix; not padding.
 * A query always sees itself, so that no row is empty: padding rows are meaningless and are left out where they are read.
 */
export function causalMask(
  { queries, keys, keyIsReal, prefix }: Places,
  window?: number,
): Tensor<'T' | 'S'> | Tensor<'B' | 'T' | 'S'> {
  const past = lessOrEqual(keys, queries);
  const near = window === undefined ? past : and(past, less(subtract(queries, window), keys));
  const seen = prefix === undefined ? near : or(near, less(keys, prefix));
  return keyIsReal ? or(and(seen, keyIsReal), equal(keys, queries)) : seen;
}

/**
 * True where query T may see key S in both directions: |T − S| < window; not padding. A query always sees itself. Undefined where all
 * see all.
 */
export function bidirectionalMask(
  { queries, keys, keyIsReal }: Places,
  window?: number,
): Tensor<'T' | 'S'> | Tensor<'B' | 'T' | 'S'> | undefined {
  const near =
    window === undefined
      ? undefined
      : and(less(subtract(queries, window), keys), less(subtract(keys, window), queries));
  if (!keyIsReal) return near;
  const self = equal(keys, queries);
  return near ? or(and(near, keyIsReal), self) : or(keyIsReal, self);
}

/** 0 where the mask holds and −∞ elsewhere, to be added to scores: one pass over them instead of the three of a selection. */
export function additive<A extends string>(mask: Tensor<A>): Tensor<A> {
  return select(mask, 0, Number.NEGATIVE_INFINITY);
}

/** Positions as float64, for angles: single precision is off by whole radians' fractions after a million tokens. */
export function doublePositions<A extends string>(positions: Within<A>): Within<A> {
  return cast(positions as Tensor<A>, 'float64');
}
