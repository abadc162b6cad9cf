import { type ActivationName, activations } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import {
  add,
  divide,
  maximum,
  minimum,
  multiply,
  size,
  softmax,
  sum,
  type Tensor,
  takeAlong,
  topIds,
} from '../../tensor/index.ts';
import { allExperts, type Choice, chosenExperts, type Router } from './chosen-experts.ts';
import type { Mlp } from './mlp.ts';

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
  /** Gates are clamped to it from above, ups from both sides. Default: not clamped. */
  readonly limit?: number;
  /** Weight name of the router, without `.weight`. */
  readonly router: string;
  readonly expert: (index: number) => ExpertNames;
  /** The experts of each token from the router's logits, and the factor of each. */
  readonly shares: (logits: Router) => Choice;
  /** Added to what the experts give, from the same stream. Default: nothing. */
  readonly shared?: (x: Parameters<Mlp>[0]) => ReturnType<Mlp>;
}

/** act(gate) ⊙ up of an expert whose gates are clamped from above and ups from both sides, where there is a limit. */
export function gatedUp<A extends string>(
  gate: Tensor<A>,
  up: Tensor<A>,
  activation: ActivationName,
  limit?: number,
): Tensor<A> {
  if (limit === undefined) return multiply(activations[activation](gate), up);
  return multiply(activations[activation](minimum(gate, limit)), maximum(minimum(up, limit), -limit));
}

/** act(x · gate) ⊙ (x · up), then down, without hook points of its own, over rows with any other axes. */
export function expert<X extends Tensor<'B' | 'T' | 'M'> | Tensor<'N' | 'M'>>(
  x: X,
  { gate, up, down }: ExpertNames,
  { F, M }: { readonly F: number; readonly M: number },
  activation: ActivationName,
  limit?: number,
): X {
  const rows = x as unknown as Tensor<'N' | 'M'>;
  const hidden = gatedUp(linear(rows, gate, { F }, { M }), linear(rows, up, { F }, { M }), activation, limit);
  return linear(hidden, down, { M }, { F }) as unknown as X;
}

/** Mixture of experts that are stored one by one (Mixtral, 2401.04088): Σ_e share_e(x) · expert_e(x), each evaluated where it is chosen. */
export function routedExperts(options: RoutedExpertsOptions): Mlp {
  const { E, M, router, shares, shared, activation, limit } = options;
  return (x, hook) => {
    const choice = shares(hook('mlp.hook_router', linear(x, router, { E }, { M })));
    const evaluate = size(choice.experts, 'K').equals(E) ? allExperts : chosenExperts;
    const routed = evaluate(x, choice, E, (rows, index) =>
      expert(rows, options.expert(index), options, activation, limit),
    );
    return hook('mlp.hook_out', shared ? add(routed, shared(x)) : routed);
  };
}

/** Softmax over all experts, of which the `chosen` largest stay; `normed`: they are scaled to sum to one. */
export function softmaxShares(chosen: number, normed: boolean): (logits: Router) => Choice {
  return (logits) => {
    const experts = topIds(logits, 'E', chosen, 'K');
    const kept = takeAlong(softmax(logits, 'E'), experts, 'E');
    return { experts, shares: normed ? divide(kept, sum(kept, 'K')) : kept };
  };
}

/** The names that most families after Mixtral give their experts. */
export const expertNames = (root: string): ExpertNames => ({
  gate: `${root}.gate_proj`,
  up: `${root}.up_proj`,
  down: `${root}.down_proj`,
});
