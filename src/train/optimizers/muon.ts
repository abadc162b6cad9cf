import { InputError } from '../../error.ts';
import {
  add,
  divide,
  dot,
  expand,
  merge,
  multiply,
  rename,
  split,
  sqrt,
  subtract,
  sum,
  type Tensor,
} from '../../tensor/index.ts';
import { checkRanges, checkWhole } from '../check.ts';
import { decayed, type Optimizer } from '../optimizer.ts';
import type { Parameter } from '../parameter.ts';
import { adamWUpdate } from './adamw.ts';

export interface MuonOptions {
  /** Default 0.95. */
  readonly momentum?: number;
  /** Orthogonalise g + μ u instead of u. Default true. */
  readonly nesterov?: boolean;
  /** Newton–Schulz iterations. Default 5. */
  readonly iterations?: number;
  /**
   * Size of the step. `adam`: 0.2 · √(larger side), which gives a step the root mean square of AdamW's, so one learning rate and decay
   * serve all parameters (2502.16982). `spectral`: √max(1, rows / columns), K. Jordan's, with a learning rate near 0.02. Default `adam`.
   */
  readonly scale?: 'adam' | 'spectral';
  /** Learning rate of everything that AdamW updates, as a factor on the learning rate. Default 1. */
  readonly adamRate?: number;
  /** AdamW's, for the rest. Defaults 0.9, 0.95, 1e-8. */
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

/**
 * Muon (K. Jordan et al. 2024, kellerjordan.github.io/posts/muon; scaled as in 2502.16982): u ← μ u + g; the momentum of each matrix is
 * replaced by its nearest semi-orthogonal matrix, roughly: five quintic Newton–Schulz iterations from X = u / ‖u‖,
 * X ← a X + (b A + c A²) X with A = X Xᵀ and (a, b, c) = (3.4445, −4.7750, 2.0315), leave singular values between about 0.7 and 1.2.
 * w ← (1 − lr λ) w − lr · scale · X. In float32 (the original iterates in bfloat16). Matrices stored together (experts, or queries, keys
 * and values) are orthogonalised one by one, heads of one projection together. Embeddings, output table, norms, biases: AdamW.
 */
export function muon(options: MuonOptions = {}): Optimizer {
  const settings = {
    ...{ momentum: 0.95, nesterov: true, iterations: 5, scale: 'adam' as const, adamRate: 1 },
    ...{ beta1: 0.9, beta2: 0.95, epsilon: 1e-8 },
    ...options,
  };
  const { momentum, nesterov, iterations, scale, adamRate, beta1, beta2, epsilon } = settings;
  const one = [0, 1] as const;
  checkRanges(
    'muon',
    { momentum, adamRate, beta1, beta2, epsilon },
    { momentum: one, adamRate: [0, 1e6], beta1: one, beta2: one, epsilon: one },
  );
  checkWhole('muon', 'iterations', iterations, 1);
  if (scale !== 'adam' && scale !== 'spectral')
    throw new InputError(`muon: scale must be adam or spectral, got ${scale}`);
  return {
    name: 'muon',
    settings,
    slots: ['momentum', 'm', 'v'],
    slotsOf: ({ role }) => (role === 'matrix' ? ['momentum'] : ['m', 'v']),
    update(p) {
      const { parameter, gradient, learningRate } = p;
      if (parameter.role !== 'matrix') {
        const rate = adamRate === 1 ? learningRate : multiply(learningRate, adamRate);
        return adamWUpdate({ ...p, learningRate: rate }, { beta1, beta2, epsilon });
      }
      const kept = add(multiply(p.slots.momentum!, momentum), gradient);
      const direction = orthogonal(nesterov ? add(gradient, multiply(kept, momentum)) : kept, parameter, iterations);
      const { rows, columns } = sides(parameter);
      const [height, width] = [product(sizesOf(parameter, rows)), product(sizesOf(parameter, columns))];
      const factor =
        scale === 'adam' ? 0.2 * Math.sqrt(Math.max(height, width)) : Math.sqrt(Math.max(1, height / width));
      const value = subtract(decayed(p), multiply(direction, multiply(learningRate, factor) as never));
      return { value, slots: { momentum: kept } };
    },
  };
}

/** Axes of the rows (what a product gives) and of the columns (what it sums over). */
function sides({ axes, inputAxes, batchAxes }: Parameter): { rows: readonly string[]; columns: readonly string[] } {
  const rows = [...axes.keys()].filter((axis) => !inputAxes.includes(axis) && !batchAxes.includes(axis));
  return { rows, columns: inputAxes };
}

const sizesOf = ({ axes }: Parameter, names: readonly string[]) => names.map((axis) => axes.get(axis)!);
const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

// The axes of a parameter are known only when the task is.
const mergeAxes = merge as unknown as (x: Tensor<string>, axes: readonly string[], into: string) => Tensor<string>;
const splitAxis = split as unknown as (x: Tensor<string>, axis: string, into: Record<string, number>) => Tensor<string>;
const renameAxis = rename as unknown as (x: Tensor<string>, from: string, to: string) => Tensor<string>;

function orthogonal(x: Tensor<string>, parameter: Parameter, iterations: number): Tensor<string> {
  const { rows, columns } = sides(parameter);
  const [height, width] = [sizesOf(parameter, rows), sizesOf(parameter, columns)];
  const column = rows.length === 0 ? expand(x, { Rows: 1 } as never) : mergeAxes(x, rows, 'Rows');
  const flat = mergeAxes(column as Tensor<string>, columns, 'Columns');
  const wide = product(height) <= product(width);
  const [short, long] = wide ? ['Rows', 'Columns'] : ['Columns', 'Rows'];
  const matrix = renameAxis(renameAxis(flat, short, 'Short'), long, 'Long') as unknown as Tensor<'Short' | 'Long'>;
  const result = newtonSchulz(matrix, iterations) as unknown as Tensor<string>;
  const named = renameAxis(renameAxis(result, 'Short', short), 'Long', long);
  const back = splitAxis(named, 'Columns', Object.fromEntries(columns.map((axis, i) => [axis, width[i]!])));
  return rows.length === 0
    ? (sum(back, ['Rows']) as Tensor<string>)
    : splitAxis(back, 'Rows', Object.fromEntries(rows.map((axis, i) => [axis, height[i]!])));
}

/** Short is the side with fewer entries: the Gram matrix is the small one. */
function newtonSchulz(matrix: Tensor<'Short' | 'Long'>, iterations: number): Tensor<'Short' | 'Long'> {
  const norm = sqrt(sum(multiply(matrix, matrix), ['Short', 'Long']));
  let x = divide(matrix, add(norm, 1e-7) as never) as Tensor<'Short' | 'Long'>;
  for (let i = 0; i < iterations; i++) {
    const gram = dot(x, rename(x, 'Short', 'Short2'), 'Long');
    const square = dot(rename(gram, 'Short2', 'Middle'), rename(gram, 'Short', 'Middle'), 'Middle');
    const polynomial = add(multiply(gram, -4.775), multiply(square, 2.0315));
    x = add(multiply(x, 3.4445), dot(polynomial, rename(x, 'Short', 'Short2'), 'Short2'));
  }
  return x;
}
