import {
  absolute,
  add,
  divide,
  exp,
  highest,
  maximum,
  negate,
  relu,
  select,
  stopGradient,
  subtract,
  sum,
} from '../../tensor/index.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism } from '../mechanism.ts';
import { causalMask } from '../places.ts';
import type { AttentionSteps, Scores } from '../steps.ts';
import { softmaxSteps } from './softmax.ts';

/** Keeps 0 / 0 of a row of zeros at 0. */
const epsilon = 1e-8;

/**
 * relu(e^s − 1) / (Σ |e^s − 1| + ε) over the keys, 2504.20966. A score of 0 weighs nothing, so masked keys must have score 0. Everything is
 * taken times e^{−m} with m = max(0, max s): the paper's m = max s overflows where all scores are below −88.
 */
export function softpickWeights(scores: Scores): Scores {
  const m = stopGradient(maximum(highest(scores, 'S'), 0));
  const difference = subtract(exp(subtract(scores, m as never) as Scores), exp(negate(m)) as never) as Scores;
  const total = add(sum(absolute(difference), 'S'), epsilon);
  return divide(relu(difference), total as never) as Scores;
}

/** Rectified softmax, 2504.20966: exact zeros for scores of at most 0, rows that sum to at most one. */
export function softpick(): Mechanism {
  return {
    name: 'softpick',
    source: '2504.20966',
    rows: 'part',
    attention: (site) =>
      layerWithSteps(site, (options): AttentionSteps => {
        const { fused: _, ...steps } = softmaxSteps(options);
        return {
          ...steps,
          mask: (scores, places) => select(causalMask(places, options.window) as never, scores, 0),
          normalise: (scores) => ({ pattern: softpickWeights(scores) }),
        };
      }),
  };
}
