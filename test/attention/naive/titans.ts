/** Titans, 2501.00663, in plain loops and double precision: the definition that the graph is compared with. */

type Matrix = number[][];

/** Weights of one memory network: W [in][out], or W_1 and W_2; gamma where there is a norm. */
export interface Memory {
  W?: Matrix;
  W_1?: Matrix;
  W_2?: Matrix;
  gamma?: number[];
}

export interface NetworkOptions {
  readonly residual: boolean;
  readonly epsilon: number;
}

/** Error function by its series, and its continued fraction for large arguments. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 5) return Math.sign(x);
  let term = a;
  let total = a;
  for (let n = 1; n < 200; n++) {
    term *= (-a * a) / n;
    total += term / (2 * n + 1);
  }
  return (Math.sign(x) * 2 * total) / Math.sqrt(Math.PI);
}

const gelu = (x: number) => 0.5 * x * (1 + erf(x / Math.SQRT2));
const geluSlope = (x: number) =>
  0.5 * (1 + erf(x / Math.SQRT2)) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
export const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const rowTimes = (x: readonly number[], w: Matrix) =>
  w[0]!.map((_, j) => x.reduce((total, value, i) => total + value * w[i]![j]!, 0));

function standardise(z: readonly number[], epsilon: number) {
  const mean = z.reduce((a, b) => a + b, 0) / z.length;
  const variance = z.reduce((total, value) => total + (value - mean) ** 2, 0) / z.length;
  const deviation = Math.sqrt(variance + epsilon);
  return { unit: z.map((value) => (value - mean) / deviation), deviation };
}

export function read(m: Memory, x: readonly number[], { residual, epsilon }: NetworkOptions): number[] {
  const z = m.W ? rowTimes(x, m.W) : rowTimes(rowTimes(x, m.W_1!).map(gelu), m.W_2!);
  const out = m.gamma ? standardise(z, epsilon).unit.map((value, i) => value * m.gamma![i]!) : z;
  return residual ? out.map((value, i) => value + x[i]!) : out;
}

/** ∇_M ‖M(k) − v‖², as the card writes it down. */
export function gradient(m: Memory, k: readonly number[], v: readonly number[], options: NetworkOptions): Memory {
  const g = read(m, k, options).map((value, i) => 2 * (value - v[i]!));
  const a = m.W ? undefined : rowTimes(k, m.W_1!);
  const h = a ? a.map(gelu) : [...k];
  const z = rowTimes(h, m.W ?? m.W_2!);
  let dz = g;
  let gamma: number[] | undefined;
  if (m.gamma) {
    const { unit, deviation } = standardise(z, options.epsilon);
    const scaled = g.map((value, i) => value * m.gamma![i]!);
    const mean = scaled.reduce((x, y) => x + y, 0) / z.length;
    const along = scaled.reduce((total, value, i) => total + value * unit[i]!, 0) / z.length;
    dz = scaled.map((value, i) => (value - mean - unit[i]! * along) / deviation);
    gamma = g.map((value, i) => value * unit[i]!);
  }
  const outer = (x: readonly number[], y: readonly number[]) => x.map((one) => y.map((other) => one * other));
  const last = outer(h, dz);
  const rest = gamma ? { gamma } : {};
  if (!a) return { W: last, ...rest };
  const da = m.W_2!.map((row, f) => row.reduce((total, w, j) => total + w * dz[j]!, 0) * geluSlope(a[f]!));
  return { W_1: outer(k, da), W_2: last, ...rest };
}

/** a·x + b·y, entry by entry. */
function combine(a: number, x: Memory, b: number, y: Memory): Memory {
  const both = (p: Matrix, q: Matrix) => p.map((row, i) => row.map((value, j) => a * value + b * q[i]![j]!));
  const made: Memory = {};
  for (const part of ['W', 'W_1', 'W_2'] as const) if (x[part]) made[part] = both(x[part], y[part]!);
  if (x.gamma) made.gamma = x.gamma.map((value, i) => a * value + b * y.gamma![i]!);
  return made;
}

export interface Token {
  readonly k: readonly number[];
  readonly v: readonly number[];
  /** Several queries read one memory. */
  readonly q: readonly (readonly number[])[];
  readonly theta: number;
  /** Logits; undefined: none. */
  readonly eta?: number | undefined;
  readonly alpha?: number | undefined;
}

/** A memory that reads tokens one after another; what it keeps is in `weights`. */
export class Reader {
  weights: Memory;
  private past: Memory;
  private surprise: Memory;
  private tokens: Token[] = [];

  constructor(
    m: Memory,
    private readonly chunk: number,
    private readonly options: NetworkOptions,
  ) {
    this.weights = m;
    this.past = combine(0, m, 0, m);
    this.surprise = this.past;
  }

  next(token: Token): number[][] {
    this.tokens.push(token);
    const own = gradient(this.weights, token.k, token.v, this.options);
    this.surprise = combine(1, this.surprise, token.theta, own);
    if (this.tokens.length === this.chunk) {
      const gate = (which: 'eta' | 'alpha') =>
        token[which] === undefined
          ? 0
          : sigmoid(this.tokens.reduce((total, one) => total + one[which]!, 0) / this.chunk);
      this.past = combine(gate('eta'), this.past, -1, this.surprise);
      this.weights = combine(1 - gate('alpha'), this.weights, 1, this.past);
      this.surprise = combine(0, this.surprise, 0, this.surprise);
      this.tokens = [];
    }
    return token.q.map((q) => read(this.weights, q, this.options));
  }
}

/** Stored tensors by the end of their name, as flat arrays. */
export type Stored = (end: string) => ArrayLike<number>;

export interface LayerSizes {
  readonly G: number;
  readonly R: number;
  readonly D: number;
  readonly M: number;
}

const silu = (x: number) => x * sigmoid(x);

/** A matrix stored [out, in] times x. */
export function project(w: ArrayLike<number>, x: readonly number[]): number[] {
  return Array.from({ length: w.length / x.length }, (_, o) =>
    x.reduce((total, value, i) => total + w[o * x.length + i]! * value, 0),
  );
}

/** Rows of a text after projection, causal convolution and SiLU. */
function rows(stored: Stored, part: string, x: Matrix): Matrix {
  const projected = x.map((row) => project(stored(`memory.${part}_proj.weight`), row));
  const filter = stored(`memory.${part}_conv1d.weight`);
  const width = projected[0]?.length ?? 1;
  const taps = filter.length / width;
  return projected.map((_, t) =>
    Array.from({ length: width }, (_, c) => {
      let total = 0;
      for (let j = 0; j < taps; j++) {
        const at = t - taps + 1 + j;
        if (at >= 0) total += filter[c * taps + j]! * projected[at]![c]!;
      }
      return silu(total);
    }),
  );
}

const heads = (row: readonly number[], D: number) =>
  Array.from({ length: row.length / D }, (_, h) => row.slice(h * D, (h + 1) * D));
const unit = (x: readonly number[]) => {
  const norm = Math.sqrt(x.reduce((total, value) => total + value * value, 1e-12));
  return x.map((value) => value / norm);
};

/** Queries [T][H][D] of a memory. */
export function memoryQueries(stored: Stored, x: Matrix, { D }: LayerSizes): Matrix[] {
  return rows(stored, 'q', x).map((row) => heads(row, D).map(unit));
}

/** Tokens [T][G] of a memory. */
export function memoryTokens(stored: Stored, x: Matrix, sizes: LayerSizes, maximumStep: number): Token[][] {
  const { G, R, D } = sizes;
  const [q, k, v] = [memoryQueries(stored, x, sizes), rows(stored, 'k', x), rows(stored, 'v', x)];
  const gate = (which: string, t: number, g: number) =>
    project(stored(`${which}.weight`), x[t]!)[g]! + stored(`${which}.bias`)[g]!;
  return x.map((_, t) =>
    Array.from({ length: G }, (_, g) => ({
      k: unit(heads(k[t]!, D)[g]!),
      v: heads(v[t]!, D)[g]!,
      q: q[t]!.slice(g * R, (g + 1) * R),
      theta: maximumStep * sigmoid(gate('to_adaptive_step', t, g)),
      eta: gate('to_momentum', t, g),
      alpha: gate('to_decay_factor', t, g),
    })),
  );
}

/** Initial memory of head g. */
export function initialMemory(stored: Stored, g: number, { G, D }: LayerSizes, layers: 1 | 2): Memory {
  const matrix = (name: string, height: number): Matrix => {
    const all = stored(`memory.${name}`);
    const width = all.length / G / height;
    return Array.from({ length: height }, (_, i) =>
      Array.from({ length: width }, (_, j) => all[(g * height + i) * width + j]!),
    );
  };
  const gamma = Array.from({ length: D }, (_, i) => stored('memory.gamma')[g * D + i]!);
  if (layers === 1) return { W: matrix('W', D), gamma };
  const hidden = stored('memory.W_1').length / G / D;
  return { W_1: matrix('W_1', D), W_2: matrix('W_2', hidden), gamma };
}

export function rmsNorm(x: readonly number[], scale: ArrayLike<number>, epsilon: number): number[] {
  const root = Math.sqrt(x.reduce((total, value) => total + value * value, 0) / x.length + epsilon);
  return x.map((value, i) => (value / root) * scale[i]!);
}

/** Norm over heads, gate, projection: z [H][D] of one token to the stream. */
export function memoryOutput(stored: Stored, z: Matrix, x: readonly number[], epsilon: number): number[] {
  const normed = z.flatMap((head) => rmsNorm(head, stored('memory.norm.weight'), epsilon));
  const gate = project(stored('memory.g_proj.weight'), x);
  return project(
    stored('memory.o_proj.weight'),
    normed.map((value, i) => value * sigmoid(gate[i]!)),
  );
}

export interface TitansSetting extends LayerSizes {
  readonly chunk: number;
  readonly window: number;
  readonly layers: 1 | 2;
  readonly maximumStep: number;
  readonly epsilon: number;
  /** θ of RoPE. */
  readonly base: number;
}

/** What the memory gives to the stream for every token of x. */
export function memoryAlone(stored: Stored, x: Matrix, s: TitansSetting): Matrix {
  const readers = Array.from(
    { length: s.G },
    (_, g) => new Reader(initialMemory(stored, g, s, s.layers), s.chunk, { residual: true, epsilon: s.epsilon }),
  );
  return memoryTokens(stored, x, s, s.maximumStep).map((tokens, t) =>
    memoryOutput(
      stored,
      tokens.flatMap((token, g) => readers[g]!.next(token)),
      x[t]!,
      s.epsilon,
    ),
  );
}

function turn(x: readonly number[], position: number, base: number): number[] {
  const half = x.length / 2;
  return x.map((value, i) => {
    const pair = i % half;
    const angle = position * base ** ((-2 * pair) / x.length);
    const other = i < half ? -x[i + half]! : x[i - half]!;
    return value * Math.cos(angle) + other * Math.sin(angle);
  });
}

/** Attention of a query row to rows, each with its position: per head softmax, then the output projection. */
export function attendTo(
  stored: Stored,
  query: { readonly row: readonly number[]; readonly position: number },
  keys: readonly { readonly row: readonly number[]; readonly position: number }[],
  s: TitansSetting,
): number[] {
  const q = heads(project(stored('self_attn.q_proj.weight'), query.row), s.D);
  const of = (name: string, row: readonly number[]) =>
    heads(project(stored(`self_attn.${name}_proj.weight`), row), s.D);
  const z = q.flatMap((head, h) => {
    const g = Math.floor(h / s.R);
    const turned = turn(head, query.position, s.base);
    const scores = keys.map(
      ({ row, position }) =>
        turn(of('k', row)[g]!, position, s.base).reduce((total, value, i) => total + value * turned[i]!, 0) /
        Math.sqrt(s.D),
    );
    const top = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - top));
    const sum = weights.reduce((a, b) => a + b, 0);
    return head.map((_, i) =>
      keys.reduce((total, { row }, j) => total + (weights[j]! / sum) * of('v', row)[g]![i]!, 0),
    );
  });
  return project(stored('self_attn.o_proj.weight'), z);
}

/** y ⊗ m: RMSNorm(y) ⊙ σ(RMSNorm(m)). */
export function join(stored: Stored, y: readonly number[], m: readonly number[], epsilon: number): number[] {
  const gate = rmsNorm(m, stored('memory_norm.weight'), epsilon);
  return rmsNorm(y, stored('attention_norm.weight'), epsilon).map((value, i) => value * sigmoid(gate[i]!));
}

/** Window attention behind rows that all see: y for every row of x. */
export function windowAttention(stored: Stored, front: Matrix, x: Matrix, s: TitansSetting): Matrix {
  return x.map((row, t) => {
    const first = Math.max(0, t - s.window + 1);
    const keys = [
      ...front.map((p, i) => ({ row: p, position: i - front.length })),
      ...x.slice(first, t + 1).map((one, i) => ({ row: one, position: first + i })),
    ];
    return attendTo(stored, { row, position: t }, keys, s);
  });
}

/** Memory as context, token by token. */
export function memoryAsContext(stored: Stored, front: Matrix, x: Matrix, s: TitansSetting): Matrix {
  const C = s.window;
  const options = { residual: true, epsilon: s.epsilon };
  const readers = Array.from(
    { length: s.G },
    (_, g) => new Reader(initialMemory(stored, g, s, s.layers), s.chunk, options),
  );
  const reading = memoryQueries(stored, x, s);
  const outputs: Matrix = [];
  const learnt: Matrix = [];
  let border: Memory[] = [];
  let h: Matrix = [];
  for (let t = 0; t < x.length; t++) {
    const begins = t - (t % C);
    if (t === begins) {
      border = readers.map(({ weights }) => weights);
      h = [];
    }
    const z = reading[t]!.map((q, head) => read(border[Math.floor(head / s.R)]!, q, options));
    h.push(memoryOutput(stored, z, x[t]!, s.epsilon));
    const keys = [
      ...front.map((row, i) => ({ row, position: begins - C - front.length + i })),
      ...h.map((row, j) => ({ row, position: begins + j - C })),
      ...h.map((_, j) => ({ row: x[begins + j]!, position: begins + j })),
    ];
    const y = attendTo(stored, { row: x[t]!, position: t }, keys, s);
    learnt.push(y);
    const token = memoryTokens(stored, learnt, s, s.maximumStep)[t]!;
    const m = memoryOutput(
      stored,
      token.flatMap((one, g) => readers[g]!.next(one)),
      y,
      s.epsilon,
    );
    outputs.push(join(stored, y, m, s.epsilon));
  }
  return outputs;
}
