import { add, less, multiply, select, subtract, type Tensor } from '../../tensor/index.ts';
import { checkRanges } from '../check.ts';
import { decayed, type Optimizer } from '../optimizer.ts';

export interface LionOptions {
  /** Weight of the momentum in the direction. Default 0.9. */
  readonly beta1?: number;
  /** Decay of the momentum. Default 0.99. */
  readonly beta2?: number;
}

/**
 * Lion (2302.06675): w ← (1 − lr λ) w − lr · sign(β₁ m + (1 − β₁) g), then m ← β₂ m + (1 − β₂) g. sign 0 is 0. Steps are larger than
 * Adam's, so the paper takes a learning rate 3–10 times smaller and a decay as much larger.
 */
export function lion(options: LionOptions = {}): Optimizer {
  const settings = { beta1: 0.9, beta2: 0.99, ...options };
  const { beta1, beta2 } = settings;
  checkRanges('lion', settings, { beta1: [0, 1], beta2: [0, 1] });
  const mix = (m: Tensor<string>, g: Tensor<string>, beta: number) => add(multiply(m, beta), multiply(g, 1 - beta));
  return {
    name: 'lion',
    settings,
    slots: ['m'],
    update(p) {
      const direction = mix(p.slots.m!, p.gradient, beta1);
      const sign = select(less(0, direction), 1, select(less(direction, 0), -1, 0));
      return {
        value: subtract(decayed(p), multiply(sign, p.learningRate as never)),
        slots: { m: mix(p.slots.m!, p.gradient, beta2) },
      };
    },
  };
}
