/** GOAT attention over the patches of a grid, 2601.15380, in plain loops: every token sees every token, K added to the scores. */

export interface GridWeights {
  readonly [name: string]: ArrayLike<number>;
}

export interface GridSizes {
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
  readonly rows: number;
  readonly columns: number;
  readonly classToken: boolean;
  readonly relative: number;
  /** Undefined: no u. */
  readonly sink: number | undefined;
  readonly gate?: boolean;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const softplus = (x: number) => (x > 30 ? x : Math.log1p(Math.exp(x)));
const frequency = (rank: number, i: number) => (rank === 1 ? 1 : 10_000 ** (-i / (rank - 1)));

/** Row and column of a token, nothing for the class token. */
export function gridPlace(t: number, { columns, classToken }: GridSizes): [number, number] | undefined {
  const patch = classToken ? t - 1 : t;
  return patch < 0 ? undefined : [Math.floor(patch / columns), patch % columns];
}

/** K_rel of key/value head g between tokens i and j: the first half of the frequencies for rows, the rest for columns. */
export function gridRelative(w: GridWeights, g: number, i: number, j: number, sizes: GridSizes): number {
  const [from, to] = [gridPlace(i, sizes), gridPlace(j, sizes)];
  if (!from || !to) return 0;
  let sum = 0;
  for (let r = 0; r < sizes.relative; r++) {
    const axis = r < Math.ceil(sizes.relative / 2) ? 0 : 1;
    const angle = frequency(sizes.relative, r) * (from[axis] - to[axis]);
    const at = g * sizes.relative + r;
    sum += w.lambda_sym![at]! * Math.cos(angle) + w.lambda_asym![at]! * Math.sin(angle);
  }
  return sum;
}

/** u of key/value head g at token j. */
export function gridSink(w: GridWeights, g: number, j: number, sizes: GridSizes): number {
  const rank = sizes.sink;
  if (rank === undefined) return 0;
  const place = gridPlace(j, sizes);
  const angles = Array.from({ length: rank }, (_, m) =>
    place ? frequency(rank, m) * place[m < Math.ceil(rank / 2) ? 0 : 1] : undefined,
  );
  const last = sizes.rows * sizes.columns + (sizes.classToken ? 1 : 0) - 1;
  const phi = [
    ...angles.map((angle) => (angle === undefined ? 0 : Math.cos(angle))),
    ...angles.map((angle) => (angle === undefined ? 0 : Math.sin(angle))),
    j / last,
    Math.log(1 + j) / Math.log(1 + last),
  ];
  let shared = w['key_bias.fc2.bias']![0]!;
  for (let f = 0; f < 4; f++) {
    const inner = phi.reduce(
      (sum, value, i) => sum + value * w['key_bias.fc1.weight']![f * phi.length + i]!,
      w['key_bias.fc1.bias']![f]!,
    );
    shared += inner * sigmoid(inner) * w['key_bias.fc2.weight']![f]!;
  }
  return w.sink_gain![g]! * shared + (j === 0 ? w.sink_bump![g]! : 0);
}

/** Output [T][M] and pattern [H][T][T] of one image x [T][M]. */
export function goatGridLayer(x: readonly (readonly number[])[], w: GridWeights, sizes: GridSizes) {
  const { H, G, D, M, relative, sink, gate } = sizes;
  const content = D - 2 * relative - (sink === undefined ? 0 : 1);
  const project = (name: string, row: readonly number[], head: number) =>
    Array.from({ length: D }, (_, d) => row.reduce((s, value, m) => s + value * w[name]![(head * D + d) * M + m]!, 0));
  const output = x.map(() => new Array<number>(M).fill(0));
  const pattern: number[][][] = [];
  for (let h = 0; h < H; h++) {
    const g = Math.floor(h / (H / G));
    const rows = x.map((row, i) => {
      const q = project('q_proj.weight', row, h).slice(0, content);
      const norm = Math.sqrt(q.reduce((s, value) => s + value * value, 0));
      const open = gate ? sigmoid(w.prior_gate_bias![h]! - softplus(w.prior_gate_scale_raw![h]!) * norm) : 1;
      const scores = x.map((other, j) => {
        const k = project('k_proj.weight', other, g);
        const match = q.reduce((s, value, d) => s + value * k[d]!, 0) / Math.sqrt(content);
        return match + open * (gridRelative(w, g, i, j, sizes) + gridSink(w, g, j, sizes));
      });
      const top = Math.max(...scores);
      const total = scores.reduce((s, score) => s + Math.exp(score - top), 0);
      return scores.map((score) => Math.exp(score - top) / total);
    });
    rows.forEach((weights, i) => {
      for (let d = 0; d < D; d++) {
        const z = weights.reduce((s, value, j) => s + value * project('v_proj.weight', x[j]!, g)[d]!, 0);
        for (let m = 0; m < M; m++) output[i]![m]! += z * w['o_proj.weight']![(m * H + h) * D + d]!;
      }
    });
    pattern.push(rows);
  }
  return { output, pattern };
}
