import type { RegressionText } from './in-context-data.ts';
import { solve } from './solve.ts';

/** The answer to the query of a text of one task, from its examples alone. */
export type Predictor = (text: Pick<RegressionText, 'x' | 'y' | 'query'>) => number;

const inner = (a: readonly number[], b: readonly number[]) => a.reduce((total, value, i) => total + value * b[i]!, 0);

/** One step of gradient descent from zero: (η/L) Σ y_ℓ x_ℓᵀ x_q. */
export function gradientDescent(step: number): Predictor {
  return ({ x, y, query }) => (step / x.length) * x.reduce((total, row, l) => total + y[l]![0]! * inner(row, query), 0);
}

/** The same with centred covariates: (η/L) Σ y_ℓ (x_ℓ − x̄)ᵀ x_q. What a pair of heads of opposite sign tends to. */
export function debiasedGradientDescent(step: number): Predictor {
  const plain = gradientDescent(step);
  return ({ x, y, query }) => {
    const centre = query.map((_, i) => x.reduce((total, row) => total + row[i]!, 0) / x.length);
    return plain({ x: x.map((row) => row.map((value, i) => value - centre[i]!)), y, query });
  };
}

/** (X Xᵀ + penalty · I)⁻¹ X Y on the query: with penalty σ² d the Bayes predictor for β ~ N(0, I/d). */
export function ridge(penalty: number): Predictor {
  return ({ x, y, query }) => {
    const gram = query.map((_, i) =>
      query.map((_, j) => x.reduce((total, row) => total + row[i]! * row[j]!, i === j ? penalty : 0)),
    );
    const beta = solve(
      gram,
      query.map((_, i) => x.reduce((total, row, l) => total + row[i]! * y[l]![0]!, 0)),
    );
    return inner(beta, query);
  };
}

/** Softmax heads of two numbers each: Σ_h μ_h Σ_ℓ y_ℓ softmax_ℓ(ω_h x_ℓᵀ x_q). One head is a kernel smoother. */
export function reducedHeads(omega: readonly number[], mu: readonly number[]): Predictor {
  return ({ x, y, query }) => {
    const products = x.map((row) => inner(row, query));
    return omega.reduce((total, w, h) => {
      const top = Math.max(...products.map((product) => w * product));
      const weights = products.map((product) => Math.exp(w * product - top));
      const sum = weights.reduce((a, b) => a + b, 0);
      return total + (mu[h]! / sum) * weights.reduce((value, weight, l) => value + weight * y[l]![0]!, 0);
    }, 0);
  };
}

/** Linear attention with the length it was trained at as its divisor: (η/L_train) Σ y_ℓ x_ℓᵀ x_q. Right at that length alone. */
export function linearAttention(step: number, trainedLength: number): Predictor {
  const plain = gradientDescent(step);
  return (text) => (plain(text) * text.x.length) / trainedLength;
}

/** Mean squared error against noisy answers. */
export function risk(predict: Predictor, texts: readonly RegressionText[]): number {
  return texts.reduce((total, text) => total + (predict(text) - text.answer[0]!) ** 2, 0) / texts.length;
}
