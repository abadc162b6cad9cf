import { add, cast, divide, multiply, power, scalar, sqrt, subtract } from '../../tensor/index.ts';
import { checkRanges } from '../check.ts';
import { decayed, type Optimizer, type ParameterUpdate } from '../optimizer.ts';

export interface AdamWOptions {
  /** Decay of the mean of gradients. Default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean of their squares. Default 0.95. */
  readonly beta2?: number;
  /** Added to the root. Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * AdamW (1711.05101), moments with bias correction:
 *
 * m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²,
 * w ← (1 − lr λ) w − lr · m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)
 */
export function adamW(options: AdamWOptions = {}): Optimizer {
  const settings = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, ...options };
  checkRanges('adamW', settings, { beta1: [0, 1], beta2: [0, 1], epsilon: [0, 1] });
  return { name: 'adamw', settings, slots: ['m', 'v'], update: (p) => adamWUpdate(p, settings) };
}

/** Two passes fewer than as written: the corrections are numbers, √(v / c) + ε = (√v + ε √c) / √c. */
export function adamWUpdate(p: ParameterUpdate, { beta1, beta2, epsilon }: Required<AdamWOptions>) {
  const { gradient: g, slots, learningRate, step } = p;
  const m = add(multiply(slots.m!, beta1), multiply(g, 1 - beta1));
  const v = add(multiply(slots.v!, beta2), multiply(multiply(g, g), 1 - beta2));
  const correction = (beta: number) => subtract(1, power(scalar(beta, 'float64'), step));
  const root = sqrt(correction(beta2));
  const rate = divide(multiply(cast(learningRate, 'float64'), root), correction(beta1));
  const direction = divide(m, add(sqrt(v), cast(multiply(root, epsilon), 'float32') as never));
  return { value: subtract(decayed(p), multiply(direction, cast(rate, 'float32') as never)), slots: { m, v } };
}
