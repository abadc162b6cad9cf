import { linear } from '../../layers/linear.ts';
import {
  add,
  dot,
  maximum,
  minimum,
  multiply,
  pick,
  select,
  sigmoid,
  softmax,
  topMask,
  weight,
} from '../../tensor/index.ts';
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
}

/**
 * GPT-OSS's experts: Σ_e p_e · expert_e(x) over the chosen experts, p = softmax of their router logits;
 * expert(x) = (clamp(up) + 1) ⊙ gate · σ(alpha · gate), then down. Gate and up are interleaved in the stored matrix.
 * Every expert is evaluated (E / chosen times the work): right for parity and small models.
 */
export function clampedExperts(at: (name: string) => string, options: ClampedExpertsOptions): Mlp {
  const { M, F, E, chosen, alpha, limit } = options;
  return (x, hook) => {
    const router = hook('mlp.hook_router', linear(x, at('mlp.router'), { E }, { M }, { bias: true }));
    const share = softmax(select(topMask(router, 'E', chosen), router, Number.NEGATIVE_INFINITY), 'E');
    const both = add(
      dot(x, weight(at('mlp.experts.gate_up_proj'), { E, M, F, J: 2 }), 'M'),
      weight(at('mlp.experts.gate_up_proj_bias'), { E, F, J: 2 }),
    );
    const gate = minimum(pick(both, 'J', 0), limit);
    const up = maximum(minimum(pick(both, 'J', 1), limit), -limit);
    const hidden = multiply(add(up, 1), multiply(gate, sigmoid(multiply(gate, alpha))));
    const down = add(
      dot(hidden, weight(at('mlp.experts.down_proj'), { E, F, M }), 'F'),
      weight(at('mlp.experts.down_proj_bias'), { E, M }),
    );
    return hook('mlp.hook_out', dot(down, share, 'E'));
  };
}
