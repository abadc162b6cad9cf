/** Attention operations of the emergence study for one query, by the formulas as printed. */
import type { NaiveMechanism } from './one-text.ts';

const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** exp(s) / Z with Z = Σ exp(s) / α. */
export function scaledOf(scores: readonly number[], alpha: number): number[] {
  const Z = total(scores.map(Math.exp)) / alpha;
  return scores.map((s) => Math.exp(s) / Z);
}

/** exp(s) / Z with Z = (Σ exp(s)^p)^{1/p}. */
export function pNormalisedOf(scores: readonly number[], p: number): number[] {
  const Z = total(scores.map((s) => Math.exp(s) ** p)) ** (1 / p);
  return scores.map((s) => Math.exp(s) / Z);
}

/** φ(q) · φ(k) / √d with φ = elu + 1, over its sum. */
export const eluKernel: NaiveMechanism = {
  features: (x) => x.map((one) => (one > 0 ? one : Math.expm1(one)) + 1),
  row: ({ scores }) => ({ weights: scores.map((s) => s / (total(scores) + 1e-8)) }),
};

/** φ(x) = W₂ relu(W₁ x), matrices [D, D]; Z = 1 or max(|sum|, 1). */
export function mlpKernel(first: ArrayLike<number>, second: ArrayLike<number>, divided: boolean): NaiveMechanism {
  const times = (matrix: ArrayLike<number>, x: readonly number[]) =>
    x.map((_, i) => total(x.map((one, j) => matrix[i * x.length + j]! * one)));
  return {
    features: (x) =>
      times(
        second,
        times(first, x).map((one) => Math.max(one, 0)),
      ),
    row({ scores }) {
      const Z = divided ? Math.max(Math.abs(total(scores)), 1) : 1;
      return { weights: scores.map((s) => s / Z) };
    },
  };
}
