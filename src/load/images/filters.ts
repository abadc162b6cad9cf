/** A filter of resampling. */
export interface Kernel {
  /** Half its width, in cells of the output. */
  readonly support: number;
  readonly at: (x: number) => number;
}

/** Keys' cubic convolution with parameter a (1981), over [−2, 2]. */
export function cubic(x: number, a: number): number {
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? a * (((d - 5) * d + 8) * d - 4) : 0;
}

/** The cubic of pictures, a = −1/2. */
export const bicubic: Kernel = { support: 2, at: (x) => cubic(x, -0.5) };

/** The input cells `[first, first + weights.length)` of one output cell, with weights that sum to 1. */
export interface Window {
  readonly first: number;
  readonly weights: Float64Array;
}

/** When it shrinks, the filter is widened by the same factor, so that every input cell counts. */
export function windows(from: number, to: number, { support, at }: Kernel): Window[] {
  const scale = from / to;
  const widening = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support * widening + 0.5), 0);
    const end = Math.min(Math.trunc(center + support * widening + 0.5), from);
    const weights = Float64Array.from({ length: end - first }, (_, k) => at((k + first - center + 0.5) / widening));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: sum === 0 ? weights : weights.map((weight) => weight / sum) };
  });
}
