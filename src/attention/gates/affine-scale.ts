import { linear } from '../../layers/linear.ts';
import {
  add,
  cast,
  divide,
  dot,
  extent,
  maximum,
  mean,
  minimum,
  multiply,
  select,
  sigmoid,
  size,
  stopGradient,
  subtract,
  sum,
  type Tensor,
  type Within,
  weight,
} from '../../tensor/index.ts';
import type { MechanismSite } from '../mechanism.ts';
import { causalMask } from '../places.ts';
import type { AttentionGiven, AttentionSteps, Scores, Values } from '../steps.ts';

type PerQuery = Tensor<'B' | 'T' | 'G' | 'R'>;

/** Functions that bring a scale into [0, 1]. Linear clipping, min(1, max(0, x/10 + ½)), has slope 0 beyond ±5. */
export const scaleFunctions = {
  'linear-clipping': (x) => minimum(1, maximum(0, add(multiply(x, 0.1), 0.5))),
  sigmoid,
} as const satisfies Record<string, <A extends string>(x: Tensor<A>) => Tensor<A>>;

export interface AffineSettings {
  readonly scale: keyof typeof scaleFunctions;
  /** N; none: β = 0. */
  readonly length: 'fixed' | 'sequence' | 'causal' | 'none';
  readonly runningMean: 'head' | 'layer';
  readonly momentum: number;
}

/** α of each query and head, and its running mean, which training updates and nothing differentiates. */
function scales({ at, sizes, training }: MechanismSite, { x }: AttentionGiven, settings: AffineSettings) {
  const { H, G, M } = sizes;
  const R = H / G;
  const alpha: PerQuery = scaleFunctions[settings.scale](linear(x, at('self_attn.alpha_proj'), { G, R }, { M }));
  if (settings.length === 'none') return { alpha };
  const name = at('self_attn.alpha_ma');
  const whole = settings.runningMean === 'layer';
  // One number for the layer is used as if it had the axes of the heads: it is broadcast to them.
  type PerHead = Tensor<'G' | 'R'>;
  const running = stopGradient((whole ? weight(name, {}) : weight(name, { G, R })) as PerHead);
  const now = stopGradient((whole ? mean(alpha, ['B', 'T', 'G', 'R']) : mean(alpha, ['B', 'T'])) as PerHead);
  const { momentum } = settings;
  training?.buffer(name, add(multiply(running, momentum), multiply(now, 1 - momentum)) as unknown as Tensor<string>);
  return { alpha, running };
}

/**
 * Weights α · P + β on the keys that a query may see, β = (running mean of α − α) / N, made from steps whose pattern is P. Unwatched:
 * α · (fused attention) + β · Σ_allowed v, the sum as a product with the 0/1 mask.
 */
export function affineSteps(
  base: AttentionSteps,
  site: MechanismSite,
  given: AttentionGiven,
  settings: AffineSettings,
): AttentionSteps {
  const { alpha, running } = scales(site, given, settings);
  const seen = causalMask(given.places, site.window) as Tensor<'B' | 'T' | 'S'>;
  const one = cast(seen, 'float32');
  const beta = running && (divide(subtract(running, alpha) as PerQuery, keyCount() as Within<'B' | 'T'>) as PerQuery);
  const sums = (v: Values): Tensor<'B' | 'T' | 'G' | 'D'> => dot(one, v, 'S');
  const { fused } = base;

  function keyCount(): Within<'B' | 'T'> | number {
    if (settings.length === 'fixed') return site.context;
    return settings.length === 'causal' ? sum(one, 'S') : cast(extent(size(given.k, 'S')), 'float32');
  }

  return {
    ...base,
    normalise(scores) {
      const scaled: Scores = multiply(base.normalise(scores).pattern, alpha);
      // Added to masked keys too, β would let later values in.
      return { pattern: beta ? select(seen, add(scaled, beta), 0) : scaled };
    },
    ...(fused
      ? {
          fused(q, k, v, places) {
            const scaled = multiply(fused(q, k, v, places), alpha);
            return beta ? add(scaled, multiply(sums(v), beta)) : scaled;
          },
        }
      : {}),
  };
}
