/** Patterns [L][H][T][T] of random causal attention inside each layer's window; `sink` puts that share of every row on key 0. */
export function randomPatterns(
  seed: number,
  T: number,
  heads: number,
  windows: (number | null)[],
  sink = 0,
): number[][][][] {
  const next = generator(seed);
  return windows.map((window) =>
    Array.from({ length: heads }, () =>
      Array.from({ length: T }, (_, i) => {
        const seen = (k: number) => k <= i && (window === null || i - k < window);
        const row = Array.from({ length: T }, (_, k) => (seen(k) ? next() + 0.01 : 0));
        const mass = row.reduce((a, b) => a + b, 0);
        const share = seen(0) ? sink : 0;
        return row.map((value, k) => (value / mass) * (1 - share) + (k === 0 ? share : 0));
      }),
    ),
  );
}

export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** [L, H] flat: column sums of one key and the first row's entry. */
export function columnOf(patterns: number[][][][], key: number) {
  const heads = patterns.flat();
  return {
    columnSums: heads.map((pattern) => pattern.reduce((sum, row) => sum + row[key]!, 0)),
    firstRow: heads.map((pattern) => pattern[0]![key]!),
  };
}
