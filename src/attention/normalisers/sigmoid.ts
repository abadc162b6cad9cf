import { InputError } from '../../error.ts';
import { add, multiply, sigmoid, softmax } from '../../tensor/index.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism } from '../mechanism.ts';
import { kernelSteps, logSigmoid } from './kernels.ts';
import { softmaxSteps } from './softmax.ts';

export interface SigmoidOptions {
  /** b: a number, or −ln n with n the context of training, so that n keys of score 0 weigh about one together. Default −ln n. */
  readonly bias?: number | '-ln n';
  /** τ: scores are taken times e^τ. Default 0. */
  readonly temperature?: number;
}

/** Sigmoid attention, σ(e^τ s_j + b), normalised by nothing: 2409.04431, and with b = 0 the Z = 1 sigmoid of 2410.10781. */
export function sigmoidAttention({ bias = '-ln n', temperature = 0 }: SigmoidOptions = {}): Mechanism {
  if (bias !== '-ln n' && !Number.isFinite(bias))
    throw new InputError(`sigmoid attention: bias must be a finite number or '-ln n', got ${bias}`);
  if (!Number.isFinite(temperature))
    throw new InputError(`sigmoid attention: temperature must be a finite number, got ${temperature}`);
  return {
    name: `sigmoid, b = ${bias === '-ln n' ? '−ln n' : bias}${temperature === 0 ? '' : `, τ = ${temperature}`}`,
    source: bias === 0 ? '2410.10781' : '2409.04431',
    rows: 'any',
    attention(site) {
      const b = bias === '-ln n' ? -Math.log(site.context) : bias;
      return layerWithSteps(site, (options) =>
        kernelSteps({
          ...options,
          kernel: (s) => {
            const warm = temperature === 0 ? s : multiply(s, Math.exp(temperature));
            return sigmoid(b === 0 ? warm : add(warm, b));
          },
        }),
      );
    },
  };
}

/** σ(s_j) / Σ σ(s), the control of sigmoid attention: with the sum, sinks return (2410.10781). Taken as the softmax of ln σ(s). */
export function normalisedSigmoid(): Mechanism {
  return {
    name: 'sigmoid, normalised',
    source: '2410.10781',
    rows: 'one',
    attention: (site) =>
      layerWithSteps(site, (options) => {
        const { fused: _, ...steps } = softmaxSteps(options);
        return { ...steps, normalise: (scores) => ({ pattern: softmax(logSigmoid(scores), 'S') }) };
      }),
  };
}
