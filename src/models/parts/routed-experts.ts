import { type ActivationName, activations } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { add, divide, multiply, pick, select, softmax, sum, type Tensor, topMask } from '../../tensor/index.ts';
import type { Mlp } from './mlp.ts';

export type Router = Tensor<'B' | 'T' | 'E'>;

/** Weight names of an expert, without `.weight`. */
export interface ExpertNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

export interface RoutedExpertsOptions {
  readonly M: number;
  /** Width of one expert. */
  readonly F: number;
  /** Number of experts. */
  readonly E: number;
  readonly activation: ActivationName;
  /** Weight name of the router, without `.weight`. */
  readonly router: string;
  readonly expert: (index: number) => ExpertNames;
  /** Factor of each expert from the router's logits, 0 for those that a token does not use. */
  readonly shares: (logits: Router) => Router;
  /** Added to what the experts give, from the same stream. Default: nothing. */
  readonly shared?: (x: Parameters<Mlp>[0]) => ReturnType<Mlp>;
}

/** act(x · gate) ⊙ (x · up), then down, without hook points of its own. */
export function expert(
  x: Parameters<Mlp>[0],
  { gate, up, down }: ExpertNames,
  { F, M }: { readonly F: number; readonly M: number },
  activation: ActivationName,
): ReturnType<Mlp> {
  const hidden = multiply(activations[activation](linear(x, gate, { F }, { M })), linear(x, up, { F }, { M }));
  return linear(hidden, down, { M }, { F });
}

/**
 * Mixture of experts that are stored one by one (Mixtral, 2401.04088): Σ_e share_e(x) · expert_e(x).
 * Every expert is evaluated (E / chosen times the work): right for parity and small models.
 */
export function routedExperts(options: RoutedExpertsOptions): Mlp {
  const { E, M, router, shares, shared, activation } = options;
  return (x, hook) => {
    const share = shares(hook('mlp.hook_router', linear(x, router, { E }, { M })));
    const routed = Array.from({ length: E }, (_, e) =>
      multiply(expert(x, options.expert(e), options, activation), pick(share, 'E', e)),
    ).reduce((total, one) => add(total, one));
    return hook('mlp.hook_out', shared ? add(routed, shared(x)) : routed);
  };
}

/** Softmax over all experts, of which the `chosen` largest stay; `normed`: they are scaled to sum to one. */
export function softmaxShares(chosen: number, normed: boolean): (logits: Router) => Router {
  return (logits) => {
    const kept = select(topMask(logits, 'E', chosen), softmax(logits, 'E'), 0);
    return normed ? divide(kept, sum(kept, 'E')) : kept;
  };
}

/** The names that most families after Mixtral give their experts. */
export const expertNames = (root: string): ExpertNames => ({
  gate: `${root}.gate_proj`,
  up: `${root}.up_proj`,
  down: `${root}.down_proj`,
});
