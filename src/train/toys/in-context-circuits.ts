import { InputError } from '../../error.ts';

/** The two circuits of a head, and the two-number form read from them (2503.12734). */
export interface HeadPattern {
  /** Mean of the diagonal of K_hᵀ Q_h / √(d + tasks) on the covariates. */
  readonly omega: number;
  /** That diagonal, a number for each feature. */
  readonly diagonal: readonly number[];
  /** Weight of the label of each task in each output: O_h V_h, [output][label]. */
  readonly mu: readonly (readonly number[])[];
  /** Largest entry off the diagonal, in magnitude. */
  readonly offDiagonal: number;
  /** Largest weight of a covariate in O_h V_h, in magnitude. */
  readonly rest: number;
}

/** Sizes: heads, features d and tasks. */
export interface CircuitSizes {
  readonly heads: number;
  readonly features: number;
  readonly tasks?: number;
}

/** Reads the pattern of every head from trained parameters, as `trainToy` returns them. Throws an InputError where one is missing. */
export function headPatterns(
  parameters: ReadonlyMap<string, ArrayLike<number>>,
  { heads, features: d, tasks = 1 }: CircuitSizes,
): HeadPattern[] {
  const C = d + tasks;
  const stored = (name: string, length: number) => {
    const values = parameters.get(name);
    if (values?.length !== length)
      throw new InputError(`in-context regression: expected ${name} with ${length} values, got ${values?.length}`);
    return values;
  };
  const [Q, K, V] = ['query.weight', 'key.weight', 'value.weight'].map((name) => stored(name, heads * C * C)) as [
    ArrayLike<number>,
    ArrayLike<number>,
    ArrayLike<number>,
  ];
  const O = stored('output.weight', heads * tasks * C);
  const sum = (term: (n: number) => number) => {
    let total = 0;
    for (let n = 0; n < C; n++) total += term(n);
    return total;
  };
  const range = (n: number) => Array.from({ length: n }, (_, i) => i);
  return range(heads).map((h) => {
    const at = (n: number, c: number) => (h * C + n) * C + c;
    const kq = range(d).map((i) => range(d).map((j) => sum((n) => K[at(n, i)]! * Q[at(n, j)]!) / Math.sqrt(C)));
    const ov = range(tasks).map((p) => range(C).map((c) => sum((n) => O[(h * tasks + p) * C + n]! * V[at(n, c)]!)));
    const diagonal = kq.map((row, i) => row[i]!);
    return {
      omega: diagonal.reduce((a, b) => a + b, 0) / d,
      diagonal,
      mu: ov.map((row) => row.slice(d)),
      offDiagonal: Math.max(0, ...kq.flatMap((row, i) => row.filter((_, j) => j !== i).map(Math.abs))),
      rest: Math.max(...ov.flatMap((row) => row.slice(0, d).map(Math.abs))),
    };
  });
}
