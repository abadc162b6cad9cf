import { InputError } from '../error.ts';

/**
 * Which keys a query may see, for one text. Causal: query i sees key k when both are real (not padding), i − k < window, and k ≤ i or k
 * lies in the prefix (the mask of prefix language models: causal, or key index below the prefix length; 2410.10781, section 6).
 * Bidirectional: both are real and |i − k| < window. Cross-attention is bidirectional with keys of another text.
 */
export interface Visibility {
  /** Positions of the text, left padding included, right padding not. At least 1. */
  readonly T: number;
  /** Keys, where they are of another text (cross-attention): bidirectional, without window and padding. Default T. */
  readonly S?: number;
  /** A query sees itself and window − 1 keys before it, in bidirectional attention as many after it; null (default) for full attention. */
  readonly window?: number | null;
  /** First real position; those before it are padding, seen by none and seeing nothing. Default 0. */
  readonly first?: number;
  /** Number of keys, counted from `first`, that earlier queries see too. Default 0: causal. */
  readonly prefix?: number;
  /** Whether keys after a query are hidden from it. Default true; false for encoders and cross-attention. */
  readonly causal?: boolean;
}

/** Positions from…to − 1. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export function checkVisibility(visibility: Visibility): Required<Visibility> {
  const { T, S = T, window = null, first = 0, prefix = 0, causal = true } = visibility;
  const fail = (what: string, expected: string, came: unknown): never => {
    throw new InputError(`visibility: ${what} must be ${expected}, got ${String(came)}`);
  };
  if (!Number.isSafeInteger(T) || T < 1) fail('T', 'a whole number of at least 1', T);
  if (!Number.isSafeInteger(S) || S < 1) fail('S', 'a whole number of at least 1', S);
  if (window !== null && (!Number.isSafeInteger(window) || window < 1)) {
    fail('window', 'null or a whole number of at least 1', window);
  }
  if (!Number.isSafeInteger(first) || first < 0 || first >= T) fail('first', `a position in 0…${T - 1}`, first);
  if (!Number.isSafeInteger(prefix) || prefix < 0) fail('prefix', 'a whole number of at least 0', prefix);
  if (!causal && prefix > 0) fail('prefix', '0 where attention is bidirectional', prefix);
  if (S !== T && (causal || window !== null || first > 0)) {
    fail('S', `T = ${T} unless attention is bidirectional, without window and padding`, S);
  }
  return { T, S, window, first, prefix, causal };
}

/** The keys that query i sees; always one unbroken range, empty for padding. */
export function keysSeenBy(visibility: Visibility, i: number): Range {
  const { T, S, window, first, prefix, causal } = checkVisibility(visibility);
  if (i < first || i >= T) return { from: first, to: first };
  return {
    from: window === null ? first : Math.max(first, i - window + 1),
    to: causal ? Math.min(T, Math.max(i + 1, first + prefix)) : window === null ? S : Math.min(S, i + window),
  };
}

/** The queries that see key k; always one unbroken range, empty for padding. */
export function queriesThatSee(visibility: Visibility, k: number): Range {
  const { T, S, window, first, prefix, causal } = checkVisibility(visibility);
  if (k < first || k >= S) return { from: first, to: first };
  const before = window === null ? first : Math.max(first, k - window + 1);
  return {
    from: causal ? (k < first + prefix ? first : k) : before,
    to: window === null ? T : Math.min(T, k + window),
  };
}

/**
 * The queries over which attention received is a mean: as `queriesThatSee`, in causal attention without the first real query (row 0 of an
 * unpadded text), whose attention to itself is 1 whatever the model.
 */
export function receivedFrom(visibility: Visibility, k: number): Range {
  const { from, to } = queriesThatSee(visibility, k);
  if (visibility.causal === false) return { from, to };
  const first = visibility.first ?? 0;
  return { from: from === first && to > first ? from + 1 : from, to };
}
