import { solve } from './solve.ts';

/** What the reduced loss of 2503.12734 depends on. */
export interface ReducedSetting {
  /** d, features. */
  readonly features: number;
  /** L, examples. */
  readonly examples: number;
  /** σ², variance of the label noise. */
  readonly noise: number;
}

const inner = (a: readonly number[], b: readonly number[]) => a.reduce((total, value, i) => total + value * b[i]!, 0);

/** (1 + σ²) / L. */
const share = ({ noise, examples }: ReducedSetting) => (1 + noise) / examples;

/** M = ω ωᵀ + (1 + σ²)/L · exp(d ω ωᵀ), exponential of each entry. */
function moments(omega: readonly number[], setting: ReducedSetting): number[][] {
  return omega.map((a) => omega.map((b) => a * b + share(setting) * Math.exp(setting.features * a * b)));
}

/**
 * Loss of heads whose circuits are two numbers each, ω on covariates and μ on labels, asymptotically:
 * L̃ = 1 + σ² − 2 μᵀω + μᵀ (ω ωᵀ + (1 + σ²)/L · exp(d ω ωᵀ)) μ.
 */
export function reducedLoss(omega: readonly number[], mu: readonly number[], setting: ReducedSetting): number {
  const weighted = moments(omega, setting).map((row) => inner(row, mu));
  return 1 + setting.noise - 2 * inner(mu, omega) + inner(mu, weighted);
}

/** ∂_μ = 2 (M μ − ω), ∂_ω = 2 ((μᵀω) μ − μ + d (1 + σ²)/L · (exp(d ω ωᵀ) ∘ μ μᵀ) ω). */
export function reducedLossGradient(omega: readonly number[], mu: readonly number[], setting: ReducedSetting) {
  const d = setting.features;
  const agreement = inner(mu, omega);
  return {
    mu: moments(omega, setting).map((row, h) => 2 * (inner(row, mu) - omega[h]!)),
    omega: omega.map((a, h) => {
      const pull = omega.reduce((total, b, j) => total + Math.exp(d * a * b) * mu[h]! * mu[j]! * b, 0);
      return 2 * (agreement * mu[h]! - mu[h]! + d * share(setting) * pull);
    }),
  };
}

/** The best μ for given ω: M⁻¹ ω. Heads of equal ω make M singular and the result meaningless. */
export function optimalMu(omega: readonly number[], setting: ReducedSetting): number[] {
  return solve(moments(omega, setting), omega);
}

/** Σ of μ over the positive heads on the solution manifold at scale γ: ½γ / (γ² + (1 + σ²)/L · sinh(d γ²)); those below zero sum to its negative. */
export function manifoldMu(gamma: number, setting: ReducedSetting): number {
  return (0.5 * gamma) / (gamma ** 2 + share(setting) * Math.sinh(setting.features * gamma ** 2));
}

/** η* = 1 / (1 + (1 + σ²) d / L): the step of gradient descent that two or more heads approach; L̃ there is 1 + σ² − η*. */
export function bestStep(setting: ReducedSetting): number {
  return 1 / (1 + share(setting) * setting.features);
}

/** The best single head: ω = 1/√d with its best μ. */
export function singleHeadOptimum(setting: ReducedSetting): { readonly omega: number; readonly mu: number } {
  const omega = setting.features ** -0.5;
  return { omega, mu: optimalMu([omega], setting)[0]! };
}
