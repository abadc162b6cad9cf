import { InputError } from '../../error.ts';
import { absolute, add, divide, dot, maximum, multiply, relu, sum, type Tensor, weight } from '../../tensor/index.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism, MechanismSite } from '../mechanism.ts';
import type { Scores } from '../steps.ts';
import { kernelSteps, kernels } from './kernels.ts';

/** φ, and Z: the row's sum (+ 1e-8), nothing, or the larger of |row's sum| and 1. */
export type FeatureKernelOptions =
  | { readonly features: 'elu'; readonly normaliser: 'sum' }
  | { readonly features: 'mlp'; readonly normaliser: 'none' | 'largerOfSumAndOne' };

const normalisers = {
  sum: (all: Scores) => divide(all, add(sum(all, 'S'), 1e-8) as never) as Scores,
  none: (all: Scores) => all,
  largerOfSumAndOne: (all: Scores) => divide(all, maximum(absolute(sum(all, 'S')), 1) as never) as Scores,
};

/**
 * Similarity φ(q) · φ(k) / √D of features of queries and keys, after RoPE, 2410.10781: φ = elu + 1, or a two-layer perceptron of width D with
 * ReLU, without biases, shared by queries, keys and heads (`self_attn.kernel_mlp1`, `kernel_mlp2`). The released code's identity φ is
 * `pointwise({ kernel: 'identity', exponent: 0 })`. A position bias has no place in such a similarity and is refused.
 */
export function featureKernel({ features, normaliser }: FeatureKernelOptions): Mechanism {
  const divided = { sum: 'normalised', none: 'Z = 1', largerOfSumAndOne: 'Z = max(|sum|, 1)' }[normaliser];
  return {
    name: `${features === 'elu' ? 'elu + 1' : 'MLP'} kernel, ${divided}`,
    source: '2410.10781',
    rows: normaliser === 'sum' ? 'one' : 'any',
    attention(site) {
      if (site.position.bias)
        throw new InputError(
          `${features} kernel: position.bias is given, but biases are added to exponents; use RoPE or positions in the stream`,
        );
      const map = features === 'elu' ? kernels.eluPlusOne : perceptron(site);
      return layerWithSteps(site, (options) => ({
        ...kernelSteps({ ...options, kernel: kernels.identity, normalise: normalisers[normaliser] }),
        scores: (q, k) => dot(multiply(map(q), options.scale), map(k), 'D'),
      }));
    },
  };
}

/** W₂ relu(W₁ x) over the axis D. */
function perceptron({ at, sizes: { D } }: MechanismSite): <A extends string>(x: Tensor<A>) => Tensor<A> {
  const first = weight(at('self_attn.kernel_mlp1.weight'), { F: D, D });
  const second = weight(at('self_attn.kernel_mlp2.weight'), { D, F: D });
  return (x) => dot(relu(dot(x as unknown as Tensor<'D'>, first, 'D')), second, 'F') as unknown as typeof x;
}
