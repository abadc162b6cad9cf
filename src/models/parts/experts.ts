import { linear } from '../../layers/linear.ts';
import {
  add,
  dot,
  maximum,
  minimum,
  multiply,
  pick,
  sigmoid,
  softmax,
  takeAlong,
  topIds,
  weight,
} from '../../tensor/index.ts';
import { allExperts, chosenExperts } from './chosen-experts.ts';
import type { Mlp } from './mlp.ts';

export interface ClampedExpertsOptions {
  readonly M: number;
  readonly F: number;
  /** Number of experts, and how many each token uses. */
  readonly E: number;
  readonly chosen: number;
  /** gate · σ(alpha · gate). */
  readonly alpha: number;
  /** Gates are clamped from above, ups from both sides. */
  readonly limit: number;
  /** How gate and up lie in the stored matrix: one column of each in turn, or all gates before all ups. Default `in turn`. */
  readonly packed?: 'in turn' | 'halves';
}

/**
 * GPT-OSS's experts: Σ_e p_e · expert_e(x) over the chosen experts, p = softmax of their router logits;
 * expert(x) = (clamp(up) + 1) ⊙ gate · σ(alpha · gate), then down. Gate and up share a stored matrix.
 */
export function clampedExperts(at: (name: string) => string, options: ClampedExpertsOptions): Mlp {
  const { M, F, E, chosen, alpha, limit, packed = 'in turn' } = options;
  const columns = packed === 'halves' ? { J: 2, F } : { F, J: 2 };
  return (x, hook) => {
    const router = hook('mlp.hook_router', linear(x, at('mlp.router'), { E }, { M }, { bias: true }));
    const experts = topIds(router, 'E', chosen, 'K');
    const shares = softmax(takeAlong(router, experts, 'E'), 'K');
    const evaluate = chosen === E ? allExperts : chosenExperts;
    const routed = evaluate(x, { experts, shares }, E, (rows, e) => {
      const both = add(
        dot(rows, pick(weight(at('mlp.experts.gate_up_proj'), { E, M, ...columns }), 'E', e), 'M'),
        pick(weight(at('mlp.experts.gate_up_proj_bias'), { E, ...columns }), 'E', e),
      );
      const gate = minimum(pick(both, 'J', 0), limit);
      const up = maximum(minimum(pick(both, 'J', 1), limit), -limit);
      const hidden = multiply(add(up, 1), multiply(gate, sigmoid(multiply(gate, alpha))));
      return add(
        dot(hidden, pick(weight(at('mlp.experts.down_proj'), { E, F, M }), 'E', e), 'F'),
        pick(weight(at('mlp.experts.down_proj_bias'), { E, M }), 'E', e),
      );
    });
    return hook('mlp.hook_out', routed);
  };
}
