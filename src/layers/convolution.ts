import { ShapeError } from '../error.ts';
import { add, concat, dot, expand, pad, pick, size, slice, split, type Tensor, weight } from '../tensor/index.ts';

export interface ConvolutionOptions {
  /** Channels of the result, and of what is given. */
  readonly M: number;
  readonly C: number;
  /** Every frame, or every second one. Default 1. */
  readonly stride?: 1 | 2;
}

/**
 * Convolution of width 3 along N with zeros beyond its ends: y_m(n) = b_m + Σ_c Σ_j W_mcj · x_c(stride · n + j − 1), `{name}.weight` [M, C, 3]
 * and `{name}.bias` [M]. With stride 2 half of the frames are left; throws a ShapeError unless their number is even.
 */
export function convolution(
  x: Tensor<'B' | 'C' | 'N'>,
  name: string,
  { M, C, stride = 1 }: ConvolutionOptions,
): Tensor<'B' | 'M' | 'N'> {
  const windows = concat(
    (stride === 1 ? neighbours(x) : everySecond(x)).map((shifted) => expand(shifted, { J: 1 })),
    'J',
  );
  const y = dot(windows, weight(`${name}.weight`, { M, C, J: 3 }), ['C', 'J']);
  return add(y, weight(`${name}.bias`, { M }));
}

/** x(n − 1), x(n), x(n + 1). */
function neighbours(x: Tensor<'B' | 'C' | 'N'>): Tensor<'B' | 'C' | 'N'>[] {
  const N = size(x, 'N');
  const padded = pad(x, 'N', 1, 1);
  return [0, 1, 2].map((j) => slice(padded, 'N', j, N.plus(j)));
}

/** x(2 n − 1), x(2 n), x(2 n + 1): odd and even frames are taken apart, which needs no strided slice. */
function everySecond(x: Tensor<'B' | 'C' | 'N'>): Tensor<'B' | 'C' | 'N'>[] {
  const frames = size(x, 'N').constant;
  if (frames === undefined || frames % 2 !== 0)
    throw new ShapeError(`convolution with stride 2: expected an even number of frames, got ${size(x, 'N')}`);
  const half = frames / 2;
  const pairs = split(pad(x, 'N', 1, 1), 'N', { N: half + 1, J: 2 });
  const [first, second] = [pick(pairs, 'J', 0), pick(pairs, 'J', 1)];
  return [slice(first, 'N', 0, half), slice(second, 'N', 0, half), slice(first, 'N', 1, half + 1)];
}
