import { InputError } from '../../error.ts';
import { cast, divide, power, sum, type Tensor } from '../../tensor/index.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism } from '../mechanism.ts';
import { causalMask, type Places } from '../places.ts';
import type { Scores } from '../steps.ts';
import { type KernelName, kernelSteps, kernels } from './kernels.ts';

export interface PointwiseOptions {
  /** h of a scaled score. */
  readonly kernel: KernelName;
  /** a of n^{−a}; 0 is no divisor at all. Default 1. */
  readonly exponent?: number;
  /** n: the context of training, the same for every query, or the number of keys that the query sees. Default context. */
  readonly count?: 'context' | 'visible';
}

const labels: Record<KernelName, string> = {
  ...{ relu: 'relu', relu2: 'relu²', gelu: 'gelu', softplus: 'softplus', sigmoid: 'sigmoid', identity: 'identity' },
  eluPlusOne: 'elu + 1',
};

/**
 * Weights n^{−a} h(s_j) that nothing normalises: ReLU attention and its kin (2309.08586), elu + 1 and the identity with Z = 1 (2410.10781).
 * A query weighs a key as if it were alone. Outputs grow with the number of keys, against which n stands.
 */
export function pointwise({ kernel, exponent = 1, count = 'context' }: PointwiseOptions): Mechanism {
  if (!Number.isFinite(exponent)) throw new InputError(`pointwise: exponent must be a finite number, got ${exponent}`);
  const divisor = `n${exponent === 1 ? '' : `^${exponent}`}${count === 'visible' ? ', n keys seen' : ''}`;
  return {
    name: exponent === 0 ? labels[kernel] : `${labels[kernel]} / ${divisor}`,
    source: kernel === 'eluPlusOne' || kernel === 'identity' ? '2410.10781' : '2309.08586',
    rows: 'any',
    attention: (site) =>
      layerWithSteps(site, (options, { places }) => {
        const base = { ...options, kernel: kernels[kernel] };
        if (exponent === 0) return kernelSteps(base);
        const n = () => (count === 'context' ? site.context ** exponent : seenBy(places, options.window, exponent));
        return kernelSteps({ ...base, normalise: (all) => divide(all, n() as never) as Scores });
      }),
  };
}

const seenBy = (places: Places, window: number | undefined, exponent: number) =>
  power(sum(cast(causalMask(places, window) as Tensor<'T' | 'S'>, 'float32'), 'S'), exponent);
