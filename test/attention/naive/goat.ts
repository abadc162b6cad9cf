/** GOAT attention, 2601.15380, in plain loops: the explicit form softmax(q_c·k_c / √d_c + K), never the packed one. */

export interface GoatWeights {
  readonly [name: string]: ArrayLike<number>;
}

export interface GoatSizes {
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
  /** Ranks of the relative part and of u; `sink` undefined: no u. */
  readonly relative: number;
  readonly sink: number | undefined;
  /** Length of training. */
  readonly context: number;
  readonly gate?: boolean;
}

const frequency = (rank: number, i: number) => (rank === 1 ? 1 : 10_000 ** (-i / (rank - 1)));
const softplus = (x: number) => (x > 30 ? x : Math.log1p(Math.exp(x)));
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** K_rel of key/value head g at a lag. */
export function relativePrior(w: GoatWeights, g: number, lag: number, rank: number): number {
  let sum = 0;
  for (let r = 0; r < rank; r++) {
    const angle = frequency(rank, r) * lag;
    sum += w.lambda_sym![g * rank + r]! * Math.cos(angle) + w.lambda_asym![g * rank + r]! * Math.sin(angle);
  }
  return sum;
}

/** u of key/value head g at position j. */
export function sinkPrior(w: GoatWeights, g: number, j: number, rank: number, context: number): number {
  const phi: number[] = [];
  for (let m = 0; m < rank; m++) phi.push(Math.cos(frequency(rank, m) * j));
  for (let m = 0; m < rank; m++) phi.push(Math.sin(frequency(rank, m) * j));
  phi.push(j / context, Math.log(1 + j) / Math.log(1 + context));
  let shared = w['key_bias.fc2.bias']![0]!;
  for (let f = 0; f < 4; f++) {
    let inner = w['key_bias.fc1.bias']![f]!;
    phi.forEach((value, i) => {
      inner += value * w['key_bias.fc1.weight']![f * phi.length + i]!;
    });
    shared += inner * sigmoid(inner) * w['key_bias.fc2.weight']![f]!;
  }
  return w.sink_gain![g]! * shared + (j === 0 ? w.sink_bump![g]! : 0) + softplus(w.recency_slope_raw![g]!) * j;
}

/** Output [T][M] and pattern [H][T][T] of one text x [T][M]. */
export function goatLayer(x: readonly (readonly number[])[], w: GoatWeights, sizes: GoatSizes) {
  const { H, G, D, M, relative, sink, context, gate } = sizes;
  const T = x.length;
  const content = D - 2 * relative - (sink === undefined ? 0 : 1);
  const project = (name: string, row: readonly number[], head: number) =>
    Array.from({ length: D }, (_, d) => row.reduce((s, value, m) => s + value * w[name]![(head * D + d) * M + m]!, 0));
  const output = x.map(() => new Array<number>(M).fill(0));
  const pattern: number[][][] = [];
  for (let h = 0; h < H; h++) {
    const g = Math.floor(h / (H / G));
    const rows: number[][] = [];
    for (let i = 0; i < T; i++) {
      const q = project('q_proj.weight', x[i]!, h).slice(0, content);
      const norm = Math.sqrt(q.reduce((s, value) => s + value * value, 0));
      const open = gate ? sigmoid(w.prior_gate_bias![h]! - softplus(w.prior_gate_scale_raw![h]!) * norm) : 1;
      const scores: number[] = [];
      for (let j = 0; j <= i; j++) {
        const k = project('k_proj.weight', x[j]!, g);
        const match = q.reduce((s, value, d) => s + value * k[d]!, 0) / Math.sqrt(content);
        const u = sink === undefined ? 0 : sinkPrior(w, g, j, sink, context);
        scores.push(match + open * (relativePrior(w, g, i - j, relative) + u));
      }
      const top = Math.max(...scores);
      const total = scores.reduce((s, score) => s + Math.exp(score - top), 0);
      rows.push(x.map((_, j) => (j > i ? 0 : Math.exp(scores[j]! - top) / total)));
      for (let d = 0; d < D; d++) {
        let z = 0;
        for (let j = 0; j <= i; j++) z += rows[i]![j]! * project('v_proj.weight', x[j]!, g)[d]!;
        for (let m = 0; m < M; m++) output[i]![m]! += z * w['o_proj.weight']![(m * H + h) * D + d]!;
      }
    }
    pattern.push(rows);
  }
  return { output, pattern };
}
