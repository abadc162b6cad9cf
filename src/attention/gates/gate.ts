import { linear } from '../../layers/linear.ts';
import {
  type Axes,
  add,
  expand,
  mean,
  multiply,
  power,
  rename,
  sigmoid,
  silu,
  size,
  sizes,
  sqrt,
  sum,
  type Tensor,
  type Within,
  weight,
} from '../../tensor/index.ts';
import type { AttentionTap } from '../layer.ts';
import type { Queries, Scores } from '../steps.ts';

/** Functions of a gate's scores s. `ns-sigmoid`, ½ + ½ σ(s), cannot come near zero: a control. */
export const gateActivations = {
  sigmoid,
  silu,
  identity: (s) => s,
  'ns-sigmoid': (s) => add(multiply(sigmoid(s), 0.5), 0.5),
} as const satisfies Record<string, <A extends string>(s: Tensor<A>) => Tensor<A>>;

export type GateActivation = keyof typeof gateActivations;

/** What a gate is made of and how it enters: y ⊙ f(s), or y + f(s). */
export interface GateForm {
  /** One score for each component of a head, or one for a head. */
  readonly granularity: 'element-wise' | 'head-wise';
  /** `shared`: after the activation the gate is averaged over all heads and given to each. */
  readonly sharing: 'specific' | 'shared';
  readonly combine: 'multiplicative' | 'additive';
  readonly activation: GateActivation;
}

type GateAxis = 'G' | 'R' | 'D' | 'M';

/**
 * Scores of a gate over some axes (sizes in stored order), without bias. From the normalised stream x: x · W with `{name}_proj.weight`,
 * [B, T or S, …]. Without x: θ, stored as `{name}`, the same for every token.
 */
export function gateScores<const N extends GateAxis>(
  name: string,
  axes: Axes<N>,
  x: Tensor<'B' | 'T' | 'M'> | Tensor<'B' | 'S' | 'M'> | undefined,
): Within<'B' | 'T' | 'S' | N> {
  if (!x) return weight(name, axes);
  const stream = x as Tensor<'B' | 'T' | 'M'>;
  const M = size(stream, 'M').constant!;
  if (!('M' in axes)) return linear(stream, `${name}_proj`, axes as unknown as Axes<'G'>, { M }) as never;
  // M cannot be both ends of the product.
  return rename(linear(stream, `${name}_proj`, { gate: M }, { M }), 'gate', 'M') as never;
}

/** f(s), averaged over the heads where the gate is shared. */
export function gateOf<A extends string>(
  scores: Within<A>,
  { activation, sharing }: Pick<GateForm, 'activation' | 'sharing'>,
): Within<A> {
  const gate = gateActivations[activation](scores as unknown as Tensor<string>);
  const heads = ['G', 'R'].filter((axis) => sizes(gate).has(axis));
  return (sharing === 'shared' ? mean(gate, heads) : gate) as unknown as Within<A>;
}

/** y ⊙ gate, or y + gate. */
export function applyGate<A extends string>(y: Tensor<A>, gate: Within<A>, combine: GateForm['combine']): Tensor<A> {
  return combine === 'additive' ? add(y, gate) : multiply(y, gate);
}

/** A gate on what heads give out, shown at `attn.hook_gate` with all axes of z where that is watched. */
export function tapGate(gate: Within<'B' | 'T' | 'G' | 'R' | 'D'>, z: Queries, hook: AttentionTap): typeof gate {
  if (!hook.watched('attn.hook_gate')) return gate;
  const lacking = [...sizes(z)].filter(([axis]) => !sizes(gate).has(axis));
  const whole = lacking.length === 0 ? gate : expand(gate as Tensor<never>, Object.fromEntries(lacking) as never);
  return hook('attn.hook_gate', whole as Queries);
}

/** Attention weights times the mean gate of their head, [B, G, R, T, S]: what a gated head takes from each key, which softmax rows do not show. */
export function gatedPattern(pattern: Scores, gate: Queries): Scores {
  return multiply(pattern, mean(gate, 'D'));
}

/** ‖gate ⊙ z‖₂ of each head, [B, T, G, R]: what a gated head gives out. */
export function gatedNorm(z: Queries, gate: Queries): Tensor<'B' | 'T' | 'G' | 'R'> {
  return sqrt(sum(power(multiply(z, gate), 2), 'D'));
}
