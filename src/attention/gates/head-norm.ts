import { add, divide, mean, multiply, power, sqrt, type Tensor, weight } from '../../tensor/index.ts';
import type { HeadSizes } from '../projections.ts';
import type { Queries } from '../steps.ts';

export interface HeadNormOptions {
  readonly epsilon: number;
  /** One weight λ [D] for all heads, or one for each head [H, D]. */
  readonly scale: 'shared' | 'per-head';
}

/** RMSNorm over each head's output: z / √(mean z² + ε) ⊙ λ, [B, T, G, R, D]; λ is `{name}.weight`. */
export function headNorm(
  z: Queries,
  name: string,
  { H, G, D }: HeadSizes,
  { epsilon, scale }: HeadNormOptions,
): Queries {
  const root: Tensor<'B' | 'T' | 'G' | 'R'> = sqrt(add(mean(power(z, 2), 'D'), epsilon));
  const normed: Queries = divide(z, root);
  return scale === 'shared'
    ? multiply(normed, weight(`${name}.weight`, { D }))
    : multiply(normed, weight(`${name}.weight`, { G, R: H / G, D }));
}
