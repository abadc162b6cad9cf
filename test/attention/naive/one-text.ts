/** What a row of weights is made from: the scores of one query of one head over the keys it may see, and where it stands. */
export interface Row {
  readonly scores: readonly number[];
  readonly head: number;
  readonly query: number;
  /** Query after RoPE. */
  readonly q: readonly number[];
}

/** Weights of the keys seen; with a null column its mass and its value. */
export interface RowWeights {
  readonly weights: readonly number[];
  readonly mass?: number;
  readonly value?: readonly number[];
}

export interface NaiveMechanism {
  row(row: Row): RowWeights;
  /** Of queries and keys after RoPE. Default: themselves. */
  features?(x: readonly number[]): number[];
  /** Added to what a head gives out. */
  added?(head: number): readonly number[];
  /** Factor on what a head gives out; `xs` are the streams of the text. */
  gate?(xs: readonly (readonly number[])[], query: number, head: number): number;
}

export interface NaiveLayer {
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
  /** Base of RoPE. Default: no rotation. */
  readonly theta?: number;
  readonly window?: number;
  /** Stored tensor, row-major, by the end of its name. */
  tensor(end: string): ArrayLike<number>;
}

/** A layer over one text by loops: the definition that the graphs are tested against. Returns [T][M], [H][T][T] and [H][T]. */
export function naiveLayer(layer: NaiveLayer, mechanism: NaiveMechanism, xs: readonly (readonly number[])[]) {
  const { H, G, D, M, theta, window = xs.length } = layer;
  const features = mechanism.features ?? ((x: readonly number[]) => [...x]);
  const turned = (x: number[], t: number) => (theta === undefined ? x : turn(x, t, theta));
  const keys = xs.map((x, t) => heads(layer.tensor('k_proj.weight'), x, G, D).map((k) => turned(k, t)));
  const values = xs.map((x) => heads(layer.tensor('v_proj.weight'), x, G, D));
  const out = layer.tensor('o_proj.weight');
  const pattern = Array.from({ length: H }, () => xs.map(() => xs.map(() => 0)));
  const sink = Array.from({ length: H }, () => xs.map(() => 0));
  const output = xs.map((x, t) => {
    const given = heads(layer.tensor('q_proj.weight'), x, H, D).flatMap((projected, head) => {
      const group = Math.floor(head / (H / G));
      const q = turned(projected, t);
      const first = Math.max(0, t - window + 1);
      const seen = keys.slice(first, t + 1).map((all) => all[group]!);
      const scores = seen.map((k) => inner(features(q), features(k)) / Math.sqrt(D));
      const { weights, mass = 0, value } = mechanism.row({ scores, head, query: t, q });
      const z = new Array<number>(D).fill(0);
      weights.forEach((w, j) => {
        pattern[head]![t]![first + j] = w;
        for (let d = 0; d < D; d++) z[d]! += w * values[first + j]![group]![d]!;
      });
      sink[head]![t] = mass;
      const added = mechanism.added?.(head);
      const gate = mechanism.gate?.(xs, t, head) ?? 1;
      return z.map((one, d) => gate * (one + mass * (value?.[d] ?? 0) + (added?.[d] ?? 0)));
    });
    return Array.from({ length: M }, (_, m) => given.reduce((total, one, i) => total + one * out[m * H * D + i]!, 0));
  });
  return { output, pattern, sink };
}

export const inner = (a: readonly number[], b: readonly number[]) =>
  a.reduce((total, one, i) => total + one * b[i]!, 0);

/** W x as rows of D for each head; W is [heads · D, M]. */
function heads(matrix: ArrayLike<number>, x: readonly number[], count: number, D: number): number[][] {
  return Array.from({ length: count }, (_, h) =>
    Array.from({ length: D }, (_, d) =>
      x.reduce((total, one, m) => total + one * matrix[(h * D + d) * x.length + m]!, 0),
    ),
  );
}

/** RoPE, component i with component i + D/2. */
function turn(x: readonly number[], t: number, theta: number): number[] {
  const half = x.length / 2;
  return x.map((one, d) => {
    const i = d % half;
    const angle = t * theta ** (-i / half);
    const other = d < half ? -x[d + half]! : x[d - half]!;
    return one * Math.cos(angle) + other * Math.sin(angle);
  });
}
