import type { ConfigReader } from '../../load/config.ts';
import type { Choice, Router } from './chosen-experts.ts';
import { sigmoidShares } from './sigmoid-shares.ts';

export interface SigmoidRouter {
  /** Number of experts. */
  readonly E: number;
  /** The choice among the experts of one layer. */
  readonly shares: (at: (name: string) => string) => (logits: Router) => Choice;
}

/** The router of DeepSeek-V3 under the keys that files give it, with values for absent ones; its correction is `mlp.gate.e_score_correction_bias`. */
export function readSigmoidRouter(
  c: ConfigReader,
  defaults: { readonly experts: number; readonly chosen: number; readonly scale?: number },
): SigmoidRouter {
  const E = c.int('n_routed_experts', { min: 1, max: 4096, default: defaults.experts });
  const chosen = c.int('num_experts_per_tok', { min: 1, max: E, default: Math.min(defaults.chosen, E) });
  const count = c.int('n_group', { min: 1, max: E, default: 1 });
  if (E % count !== 0) throw c.error('n_group', `a divisor of n_routed_experts, ${E}`);
  const groups = { count, chosen: c.int('topk_group', { min: 1, max: count, default: 1 }) };
  if ((groups.chosen * E) / count < chosen)
    throw c.error('topk_group', `enough groups of ${E / count} experts to choose ${chosen} from`);
  const normed = c.bool('norm_topk_prob', { default: true });
  const scale = c.number('routed_scaling_factor', { default: defaults.scale ?? 1 });
  return {
    E,
    shares: (at) =>
      sigmoidShares({ E, chosen, correction: at('mlp.gate.e_score_correction_bias'), groups, normed, scale }),
  };
}
