import type { ActivationName } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { add, dot, pick, weight } from '../../tensor/index.ts';
import { allExperts, type Choice, chosenExperts, type Router } from './chosen-experts.ts';
import type { Mlp } from './mlp.ts';
import { gatedUp } from './routed-experts.ts';

export interface PackedExpertsOptions {
  readonly M: number;
  /** Width of one expert. */
  readonly F: number;
  /** Number of experts, and how many each token uses. */
  readonly E: number;
  readonly chosen: number;
  readonly activation: ActivationName;
  /** Gates are clamped to it from above, ups from both sides. Default: not clamped. */
  readonly limit?: number;
  /** The experts of each token from the router's logits, and the factor of each. */
  readonly shares: (logits: Router) => Choice;
  /** Added to what the experts give, from the same stream. */
  readonly shared: (x: Parameters<Mlp>[0]) => ReturnType<Mlp>;
}

/** Mixture of experts that are stored as one tensor, all gates of an expert before all its ups: `mlp.experts.gate_up_proj`, `mlp.experts.down_proj`. */
export function packedExperts(at: (name: string) => string, options: PackedExpertsOptions): Mlp {
  const { M, F, E, chosen, activation, limit, shares, shared } = options;
  return (x, hook) => {
    const choice = shares(hook('mlp.hook_router', linear(x, at('mlp.gate'), { E }, { M })));
    const evaluate = chosen === E ? allExperts : chosenExperts;
    const routed = evaluate(x, choice, E, (rows, e) => {
      const both = dot(rows, pick(weight(at('mlp.experts.gate_up_proj'), { E, J: 2, F, M }), 'E', e), 'M');
      const hidden = gatedUp(pick(both, 'J', 0), pick(both, 'J', 1), activation, limit);
      return dot(hidden, pick(weight(at('mlp.experts.down_proj'), { E, M, F }), 'E', e), 'F');
    });
    return hook('mlp.hook_out', add(routed, shared(x)));
  };
}
