import { InputError } from '../../error.ts';
import { divide, exp, highest, log, multiply, stopGradient, subtract, sum } from '../../tensor/index.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism } from '../mechanism.ts';
import type { AttentionSteps, Scores } from '../steps.ts';
import { softmaxSteps } from './softmax.ts';

const positive = (name: string, value: number) => {
  if (!(value > 0 && Number.isFinite(value)))
    throw new InputError(`${name} must be a number greater than 0, got ${value}`);
};

/** Softmax times α: every row sums to α (2410.10781, α from 0.05 to 2). */
export function scaledSoftmax({ total }: { readonly total: number }): Mechanism {
  positive('scaled softmax: total', total);
  return {
    name: `softmax, rows sum to ${total}`,
    source: '2410.10781',
    rows: total === 1 ? 'one' : 'any',
    attention: (site) =>
      layerWithSteps(site, (options): AttentionSteps => {
        const { fused, normalise, ...steps } = softmaxSteps(options);
        return {
          ...steps,
          normalise: (scores) => ({ pattern: multiply(normalise(scores).pattern, total) }),
          fused: (...given) => multiply(fused!(...given), total),
        };
      }),
  };
}

/** e^{s_j} / (Σ e^{p s})^{1/p}: the p-th powers of a row sum to one (2410.10781). p = 1 is softmax. */
export function pNormalisedSoftmax({ p }: { readonly p: number }): Mechanism {
  positive('p-normalised softmax: p', p);
  return {
    name: `softmax, ${p}-normalised`,
    source: '2410.10781',
    rows: p === 1 ? 'one' : 'any',
    attention: (site) =>
      layerWithSteps(site, (options): AttentionSteps => {
        const { fused: _, ...steps } = softmaxSteps(options);
        return { ...steps, normalise: (scores) => ({ pattern: pNormalised(scores, p) }) };
      }),
  };
}

function pNormalised(scores: Scores, p: number): Scores {
  const top = stopGradient(highest(scores, 'S'));
  const below = subtract(scores, top as never) as Scores;
  const norm = divide(log(sum(exp(multiply(below, p)), 'S')), p);
  return exp(subtract(below, norm as never) as Scores);
}
