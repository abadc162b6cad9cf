import { InputError } from '../../error.ts';
import { add, minimum, multiply, relu } from '../../tensor/index.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism } from '../mechanism.ts';
import { softmaxSteps } from './softmax.ts';

/** γ itself, or α of γ = −α / T with T the context of training. Default α = 4. */
export type ClippedSoftmaxOptions = (
  | { readonly alpha?: number; readonly gamma?: never }
  | { readonly gamma: number; readonly alpha?: never }
) & {
  /** ζ, at least 1. Default 1. Above 1 weights reach 1, and rows may sum to more. */
  readonly zeta?: number;
};

/**
 * clip((ζ − γ) · softmax(s) + γ, 0, 1), 2306.12929: probabilities of at most −γ / (ζ − γ) become 0, and get no gradient. Known to fail on
 * OPT-125m.
 */
export function clippedSoftmax({ alpha = 4, gamma, zeta = 1 }: ClippedSoftmaxOptions = {}): Mechanism {
  if (!(alpha >= 0 && Number.isFinite(alpha)))
    throw new InputError(`clipped softmax: alpha must be a number of at least 0, got ${alpha}`);
  // Above 0 every masked key would get weight γ.
  if (gamma !== undefined && !(gamma <= 0 && Number.isFinite(gamma)))
    throw new InputError(`clipped softmax: gamma must be a number of at most 0, got ${gamma}`);
  if (!(zeta >= 1 && Number.isFinite(zeta)))
    throw new InputError(`clipped softmax: zeta must be a number of at least 1, got ${zeta}`);
  return {
    name: `clipped softmax, ${gamma === undefined ? `α = ${alpha}` : `γ = ${gamma}`}${zeta === 1 ? '' : `, ζ = ${zeta}`}`,
    source: '2306.12929',
    rows: zeta > 1 ? 'any' : 'part',
    attention(site) {
      const low = gamma ?? -alpha / site.context;
      return layerWithSteps(site, (options) => {
        const { fused: _, ...steps } = softmaxSteps(options);
        return {
          ...steps,
          normalise(scores) {
            const { pattern } = steps.normalise(scores);
            const stretched = relu(add(multiply(pattern, zeta - low), low));
            return { pattern: zeta > 1 ? minimum(stretched, 1) : stretched };
          },
        };
      });
    },
  };
}
