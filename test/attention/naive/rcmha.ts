import { gatherValues, type NaiveSizes, type NaiveWeights, type Rows, timesMatrix } from './heads.ts';

export interface NaiveRelative {
  readonly convolution?: 'shared' | 'separate' | 'none';
  readonly relative?: boolean;
  /** Rows of the tables before that of distance 0. */
  readonly P?: number;
  readonly taps?: number;
  /** Normalised inputs of the tokens before this segment. */
  readonly memory?: Rows;
  /** The convolution of the queries starts from the memory, not from zeros. */
  readonly queriesSeeMemory?: boolean;
}

/** y[t][c] = b[c] + Σ_τ w[c][τ] x[t − τ][c]; filters stored oldest first, one for each of D components or for each component of all heads. */
export function convolved(rows: Rows, filters: ArrayLike<number>, bias: ArrayLike<number>, taps: number): Rows {
  const channels = bias.length;
  return rows.map((row, t) =>
    row.map((_, c) => {
      const own = c % channels;
      let total = bias[own]!;
      for (let back = 0; back < taps && back <= t; back++)
        total += filters[own * taps + (taps - 1 - back)]! * rows[t - back]![c]!;
      return total;
    }),
  );
}

/** The definition of RCMHA and of its arms for one segment, positions relative or nowhere. */
export function naiveRcmha(x: Rows, weights: NaiveWeights, sizes: NaiveSizes, options: NaiveRelative = {}) {
  const { convolution = 'shared', relative = true, P = 0, taps = 3, memory = [], queriesSeeMemory = false } = options;
  const { H, G, D } = sizes;
  const all = [...memory, ...x];
  const filtered = (rows: Rows, name: string) =>
    convolution === 'none'
      ? rows
      : convolved(rows, weights[`${name}_conv.weight`]!, weights[`${name}_conv.bias`]!, taps);
  const plus = (rows: Rows, bias: ArrayLike<number>) => rows.map((row) => row.map((one, i) => one + bias[i]!));
  const fromMemory = queriesSeeMemory ? memory.length : 0;
  const q = filtered(timesMatrix(queriesSeeMemory ? all : x, weights['q_proj.weight']!), 'q').slice(fromMemory);
  const k = filtered(timesMatrix(all, weights['k_proj.weight']!), 'k');
  const v = filtered(plus(timesMatrix(all, weights['v_proj.weight']!), weights['v_proj.bias']!), 'v');
  const pattern = Array.from({ length: H }, (_, h) =>
    q.map((query, t) => {
      const i = memory.length + t;
      const g = Math.floor(h / (H / G));
      const scores: number[] = [];
      for (let j = 0; j <= i; j++) {
        let score = 0;
        for (let d = 0; d < D; d++) {
          const own = query[h * D + d]!;
          if (!relative) score += own * k[j]![g * D + d]!;
          else {
            score += (own + weights.query_pos_bias![h * D + d]!) * k[j]![g * D + d]!;
            score += own * weights.key_pos_embeddings![((P + j - i) * H + h) * D + d]!;
          }
        }
        if (relative) score += weights.key_pos_bias![(P + j - i) * H + h]!;
        scores.push(score / Math.sqrt(D));
      }
      const top = Math.max(...scores);
      const total = scores.reduce((sum, score) => sum + Math.exp(score - top), 0);
      return all.map((_, j) => (j <= i ? Math.exp(scores[j]! - top) / total : 0));
    }),
  );
  const z = gatherValues(pattern, v, sizes);
  return { output: plus(timesMatrix(z, weights['o_proj.weight']!), weights['o_proj.bias']!), pattern };
}
