/** Weights of one query from its scores over the keys it may see, by the formulas as printed. */
const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const logistic = (s: number) => 1 / (1 + Math.exp(-s));

export function softmaxOf(scores: readonly number[]): number[] {
  const e = scores.map(Math.exp);
  return e.map((one) => one / total(e));
}

/** Softmax over the scores and a null column with this logit; the last is the mass of the column. */
export function withNullColumn(scores: readonly number[], logit: number): { weights: number[]; mass: number } {
  const Z = Math.exp(logit) + total(scores.map(Math.exp));
  return { weights: scores.map((s) => Math.exp(s) / Z), mass: Math.exp(logit) / Z };
}

export function softpickOf(scores: readonly number[]): number[] {
  const Z = total(scores.map((s) => Math.abs(Math.exp(s) - 1))) + 1e-8;
  return scores.map((s) => Math.max(Math.exp(s) - 1, 0) / Z);
}

export const sigmoidOf = (scores: readonly number[], bias: number, tau = 0) =>
  scores.map((s) => logistic(Math.exp(tau) * s + bias));

export function normalisedSigmoidOf(scores: readonly number[]): number[] {
  const all = scores.map(logistic);
  return all.map((one) => one / total(all));
}

/** The power series; from 4 on the error function is one to 2e-8. */
function erf(x: number): number {
  if (Math.abs(x) > 4) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 120; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

export const functions = {
  relu: (s: number) => Math.max(s, 0),
  relu2: (s: number) => Math.max(s, 0) ** 2,
  gelu: (s: number) => (s / 2) * (1 + erf(s / Math.SQRT2)),
  softplus: (s: number) => Math.log(1 + Math.exp(s)),
  sigmoid: logistic,
  identity: (s: number) => s,
  eluPlusOne: (s: number) => (s > 0 ? s + 1 : Math.exp(s)),
};

export function clippedOf(scores: readonly number[], gamma: number, zeta = 1): number[] {
  return softmaxOf(scores).map((p) => Math.min(Math.max((zeta - gamma) * p + gamma, 0), 1));
}

/** σ(wᵀ x_h + b), x_h the h-th of H slices of x. */
export function sliceGate(x: readonly number[], head: number, H: number, w: ArrayLike<number>, b: ArrayLike<number>) {
  return logistic(sliceLogit(x, head, H, w, b));
}

export function sliceLogit(x: readonly number[], head: number, H: number, w: ArrayLike<number>, b: ArrayLike<number>) {
  const width = x.length / H;
  let s = b[head]!;
  for (let i = 0; i < width; i++) s += w[head * width + i]! * x[head * width + i]!;
  return s;
}

export { logistic };
