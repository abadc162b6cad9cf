import { linear } from '../../layers/linear.ts';
import {
  add,
  divide,
  dot,
  expand,
  mean,
  multiply,
  power,
  sigmoid,
  sqrt,
  subtract,
  type Tensor,
  weight,
} from '../../tensor/index.ts';
import type { AttentionTap } from '../layer.ts';
import type { Queries, Stream } from '../steps.ts';

export type LightningNorm = 'srms' | 'rms' | 'layer' | 'none';
export type LightningGate = 'linear' | 'sigmoid' | 'bottleneck' | 'none';

interface Sizes {
  readonly H: number;
  readonly D: number;
  readonly M: number;
}

/**
 * Norm over all heads' outputs together: SRMSNorm z / √(mean z² + 10⁻⁶) has no parameters, RMSNorm a weight and LayerNorm (ε = 10⁻⁵) a weight and
 * a bias, each [H · D]. Un-normalised attention grows with the text: without a norm training is not stable.
 */
export function normOfAllHeads(z: Queries, kind: LightningNorm, name: string, { H, D }: Sizes): Queries {
  if (kind === 'none') return z;
  const over = ['G', 'R', 'D'] as const;
  const centred = kind === 'layer' ? subtract(z, mean(z, over)) : z;
  const root = sqrt(add(mean(power(centred, 2), over), kind === 'layer' ? 1e-5 : 1e-6));
  const normed = divide(centred, root);
  if (kind === 'srms') return normed;
  const scaled = multiply(normed, weight(`${name}.weight`, { G: H, D }));
  return kind === 'rms' ? scaled : add(scaled, weight(`${name}.bias`, { G: H, D }));
}

/** The gate of what is not stored with the projections: σ(x W) or σ(x W₁ W₂) through D, `output_gate`. */
export function outputGate(
  x: Stream,
  kind: 'sigmoid' | 'bottleneck',
  name: string,
  { H, D, M }: Sizes,
): Tensor<'B' | 'T' | 'G' | 'D'> {
  if (kind === 'sigmoid') return sigmoid(linear(x, name, { G: H, D }, { M }));
  const narrow = linear(x, `${name}.0`, { F: D }, { M });
  return sigmoid(linear(narrow, `${name}.1`, { G: H, D }, { F: D }));
}

/** z ⊙ gate with the hook point, then W_o (`out_proj`). */
export function gatedOutput(
  z: Queries,
  gate: Tensor<'B' | 'T' | 'G' | 'D'> | undefined,
  name: string,
  { H, D, M }: Sizes,
  hook: AttentionTap,
): Stream {
  const gated = gate === undefined ? z : multiply(z, hook('attn.hook_gate', expand(gate, { R: 1 })));
  return dot(gated, expand(weight(`${name}.weight`, { M, G: H, D }), { R: 1 }), ['G', 'R', 'D']);
}
