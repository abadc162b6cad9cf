import { activations } from '../../layers/activations.ts';
import {
  absolute,
  add,
  exp,
  log,
  minimum,
  multiply,
  negate,
  relu,
  select,
  sigmoid,
  subtract,
  type Tensor,
} from '../../tensor/index.ts';
import { causalMask } from '../places.ts';
import type { AttentionSteps, Normalised, Scores } from '../steps.ts';
import { type SoftmaxOptions, softmaxSteps } from './softmax.ts';

type Kernel = <A extends string>(s: Tensor<A>) => Tensor<A>;

/** ln(1 + e^s), finite for all s. */
const softplus: Kernel = (s) => add(relu(s), log(add(exp(negate(absolute(s))), 1)));

/** Functions of one score that take the place of e^s. */
export const kernels = {
  relu,
  relu2: (s) => multiply(relu(s), relu(s)),
  gelu: activations.gelu,
  softplus,
  sigmoid,
  identity: (s) => s,
  /** elu(s) + 1: e^s below 0, s + 1 above. */
  eluPlusOne: (s) => add(relu(s), exp(minimum(s, 0))),
} as const satisfies Record<string, Kernel>;

export type KernelName = keyof typeof kernels;

/** ln σ(s), finite for all finite s, and −∞ at −∞. */
export const logSigmoid: Kernel = (s) => subtract(minimum(s, 0), log(add(exp(negate(absolute(s))), 1)));

export interface KernelOptions extends SoftmaxOptions {
  /** Similarity of a scaled score. */
  readonly kernel: Kernel;
  /** Weights from similarities that are 0 where a query must not look. Default: they are the weights. */
  readonly normalise?: (similarities: Scores) => Scores;
}

/** Attention by another function than e^s: similarities, times the 0/1 mask (2410.10781), then perhaps a normaliser. */
export function kernelSteps({ kernel, normalise = (all) => all, ...options }: KernelOptions): AttentionSteps {
  const { fused: _, ...steps } = softmaxSteps(options);
  return {
    ...steps,
    mask: (scores, places) => select(causalMask(places, options.window) as never, kernel(scores), 0),
    normalise: (similarities): Normalised => ({ pattern: normalise(similarities) }),
  };
}
