import { queriesThatSee } from './visibility.ts';

/** Norms of queries, keys and values, and the cosine part of the scores: q · k = ‖q‖ ‖k‖ cos(q, k), after RoPE (2410.10781). */
export interface ScoreSplit {
  /** Means over heads of the L2 norms. */
  readonly queryNorm: Float64Array; // [T]
  readonly keyNorm: Float64Array; // [S]
  readonly valueNorm: Float64Array; // [S]
  /** Mean over heads and over the queries that see the key of cos(q, k). */
  readonly cosine: Float64Array; // [S]
}

export interface ScoreSplitInput {
  readonly q: Float32Array | Float64Array; // [T, H, D]
  readonly k: Float32Array; // [S, G, D]
  readonly v: Float32Array; // [S, G, any width]
  readonly T: number;
  /** Keys, where they are of another text. Default T. */
  readonly S?: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
  /** Sliding window; null for full attention (default). */
  readonly window?: number | null;
  /** Whether keys after a query are hidden from it. Default true. */
  readonly causal?: boolean;
}

/**
 * The mean cosine of a key needs no [T, S] matrix: Σ_t cos(q_t, k_s) over the queries that see key s is the dot product of the key's
 * direction with a running sum of query directions, O((T + S) · H · D).
 */
export function scoreSplit({ q, k, v, T, S = T, H, G, D, window = null, causal = true }: ScoreSplitInput): ScoreSplit {
  const R = H / G;
  const out = {
    queryNorm: new Float64Array(T),
    keyNorm: norms(k, S, G, D),
    valueNorm: norms(v, S, G, v.length / (S * G)),
    cosine: new Float64Array(S),
  };
  const directions = new Float32Array(q.length);
  for (let row = 0; row < T * H; row++) {
    const norm = normAt(q, row * D, D);
    out.queryNorm[Math.floor(row / H)]! += norm / H;
    const scale = norm > 0 ? 1 / norm : 0;
    for (let d = 0; d < D; d++) directions[row * D + d] = q[row * D + d]! * scale;
  }
  const running = new Float64Array(H * D); // Σ of the directions of queries first … end − 1
  let [first, end] = [T, T];
  for (let s = S - 1; s >= 0; s--) {
    const { from, to } = queriesThatSee({ T, S, window, causal }, s);
    for (; first > from; first--) for (let i = 0; i < H * D; i++) running[i]! += directions[(first - 1) * H * D + i]!;
    for (; end > to; end--) for (let i = 0; i < H * D; i++) running[i]! -= directions[(end - 1) * H * D + i]!;
    const queries = to - from;
    for (let g = 0; g < G; g++) {
      const key = (s * G + g) * D;
      const norm = normAt(k, key, D);
      let dot = 0;
      for (let r = 0; r < R; r++) for (let d = 0; d < D; d++) dot += running[(g * R + r) * D + d]! * k[key + d]!;
      out.cosine[s]! += norm > 0 ? dot / (norm * H * queries) : 0;
    }
  }
  return out;
}

function norms(values: Float32Array, rows: number, heads: number, width: number): Float64Array {
  const out = new Float64Array(rows);
  for (let row = 0; row < rows * heads; row++)
    out[Math.floor(row / heads)]! += normAt(values, row * width, width) / heads;
  return out;
}

function normAt(values: Float32Array | Float64Array, start: number, width: number): number {
  let square = 0;
  for (let i = start; i < start + width; i++) square += values[i]! * values[i]!;
  return Math.sqrt(square);
}
