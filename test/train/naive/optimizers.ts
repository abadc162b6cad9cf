/** The optimisers in plain loops, one matrix or vector at a time, in double precision: what the graph versions are compared with. */
export interface NaiveStep {
  readonly w: readonly number[];
  readonly g: readonly number[];
  readonly slots: Readonly<Record<string, readonly number[]>>;
  readonly learningRate: number;
  readonly decay: number;
  /** From 1. */
  readonly step: number;
  /** Rows and columns of a matrix, row-major. */
  readonly rows?: number;
  readonly columns?: number;
}
type Updated = { w: number[]; slots: Record<string, number[]> };

export function naiveAdamW({ w, g, slots, learningRate, decay, step }: NaiveStep): Updated {
  const [beta1, beta2, epsilon] = [0.9, 0.95, 1e-8];
  const m = w.map((_, i) => beta1 * slots.m![i]! + (1 - beta1) * g[i]!);
  const v = w.map((_, i) => beta2 * slots.v![i]! + (1 - beta2) * g[i]! ** 2);
  const next = w.map((value, i) => {
    const mean = m[i]! / (1 - beta1 ** step);
    const square = v[i]! / (1 - beta2 ** step);
    return value - learningRate * decay * value - (learningRate * mean) / (Math.sqrt(square) + epsilon);
  });
  return { w: next, slots: { m, v } };
}

export function naiveSgd({ w, g, slots, learningRate, decay }: NaiveStep, nesterov = false): Updated {
  const momentum = w.map((_, i) => 0.9 * slots.momentum![i]! + g[i]!);
  const direction = momentum.map((u, i) => (nesterov ? g[i]! + 0.9 * u : u));
  return {
    w: w.map((value, i) => value - learningRate * decay * value - learningRate * direction[i]!),
    slots: { momentum },
  };
}

export function naiveLion({ w, g, slots, learningRate, decay }: NaiveStep): Updated {
  const direction = w.map((_, i) => Math.sign(0.9 * slots.m![i]! + 0.1 * g[i]!));
  const m = w.map((_, i) => 0.99 * slots.m![i]! + 0.01 * g[i]!);
  return { w: w.map((value, i) => value - learningRate * (direction[i]! + decay * value)), slots: { m } };
}

type Matrix = number[][];
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((total, value, k) => total + value * b[k]![j]!, 0)));
const transposed = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!));

/** Five Newton–Schulz iterations as in Jordan's listing: transposed first when it is tall. */
export function naiveNewtonSchulz(matrix: Matrix): Matrix {
  const tall = matrix.length > matrix[0]!.length;
  let x = tall ? transposed(matrix) : matrix;
  const norm = Math.sqrt(x.flat().reduce((total, value) => total + value * value, 0)) + 1e-7;
  x = x.map((row) => row.map((value) => value / norm));
  for (let i = 0; i < 5; i++) {
    const a = times(x, transposed(x));
    const a2 = times(a, a);
    const b = a.map((row, r) => row.map((value, c) => -4.775 * value + 2.0315 * a2[r]![c]!));
    const bx = times(b, x);
    x = x.map((row, r) => row.map((value, c) => 3.4445 * value + bx[r]![c]!));
  }
  return tall ? transposed(x) : x;
}

export function naiveMuon({ w, g, slots, learningRate, decay, rows, columns }: NaiveStep): Updated {
  const momentum = w.map((_, i) => 0.95 * slots.momentum![i]! + g[i]!);
  const looked = momentum.map((u, i) => g[i]! + 0.95 * u);
  const matrix = Array.from({ length: rows! }, (_, r) => looked.slice(r * columns!, (r + 1) * columns!));
  const direction = naiveNewtonSchulz(matrix).flat();
  const size = 0.2 * Math.sqrt(Math.max(rows!, columns!));
  return {
    w: w.map((value, i) => value - learningRate * (size * direction[i]! + decay * value)),
    slots: { momentum },
  };
}
