import { add, multiply, subtract } from '../../tensor/index.ts';
import { checkRanges } from '../check.ts';
import { decayed, type Optimizer } from '../optimizer.ts';

export interface SgdOptions {
  /** Share of the last direction that is kept. Default 0.9; 0 keeps no state. */
  readonly momentum?: number;
  /** Look ahead along the new direction. Default false. */
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent with momentum, weight decay decoupled (SGDW, 1711.05101): u ← μ u + g, w ← (1 − lr λ) w − lr u;
 * with Nesterov's variant w moves along g + μ u.
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  const settings = { momentum: 0.9, nesterov: false, ...options };
  const { momentum, nesterov } = settings;
  checkRanges('sgd', { momentum }, { momentum: [0, 1] });
  return {
    name: 'sgd',
    settings,
    slots: momentum === 0 ? [] : ['momentum'],
    update(p) {
      const { gradient: g, learningRate } = p;
      const kept = momentum === 0 ? g : add(multiply(p.slots.momentum!, momentum), g);
      const direction = nesterov ? add(g, multiply(kept, momentum)) : kept;
      const value = subtract(decayed(p), multiply(direction, learningRate as never));
      return { value, slots: momentum === 0 ? {} : { momentum: kept } };
    },
  };
}
