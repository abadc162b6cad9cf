/** Position encodings in plain loops. */

/** −slope · (i − j) for head h of H, counted from 1. */
export function alibiBias(h: number, H: number, i: number, j: number): number {
  return -(2 ** ((-8 * h) / H)) * (i - j);
}

/** Bucket of a key `lag` tokens back, as 1910.10683 describes: 32 buckets, 16 of single lags, the rest logarithmic up to 128. */
export function t5Bucket(lag: number): number {
  if (lag < 16) return lag;
  // The first bucket whose upper end lies beyond the lag.
  for (let bucket = 16; bucket < 31; bucket++) if (lag < 16 * 8 ** ((bucket + 1 - 16) / 16)) return bucket;
  return 31;
}

/** Table [T][M] of sines at even and cosines at odd components. */
export function sinusoids(T: number, M: number): number[][] {
  return Array.from({ length: T }, (_, t) =>
    Array.from({ length: M }, (_, m) => {
      const angle = t / 10_000 ** ((2 * Math.floor(m / 2)) / M);
      return m % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }),
  );
}

/** Causal softmax attention rows of one head from q [T][D], k [T][D] and an added bias. */
export function causalRows(
  q: readonly (readonly number[])[],
  k: readonly (readonly number[])[],
  bias: (i: number, j: number) => number,
): number[][] {
  return q.map((query, i) => {
    const scores = k
      .slice(0, i + 1)
      .map((key, j) => query.reduce((s, value, d) => s + value * key[d]!, 0) / Math.sqrt(query.length) + bias(i, j));
    const top = Math.max(...scores);
    const total = scores.reduce((s, score) => s + Math.exp(score - top), 0);
    return k.map((_, j) => (j > i ? 0 : Math.exp(scores[j]! - top) / total));
  });
}
