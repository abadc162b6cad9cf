import { type ResidualExtremes, residualExtremes } from '../massive-detector.ts';
import type { Measurement } from '../measurement.ts';

/** The three largest |entries| of the residual after each block of the page, and the exact median of |h| (2402.17762). */
export const measurement: Measurement<readonly ResidualExtremes[]> = {
  name: 'massive-activations',
  title: 'Massive activations',
  source: '2402.17762',
  over: 'page',
  reductions: {},
  takes: ['residual'],
  collect: ({ tokens, sizes }) => {
    const layers: ResidualExtremes[] = [];
    return {
      add: ({ residual }) => layers.push(residualExtremes(residual, tokens, sizes.M)),
      finish: () => layers,
    };
  },
  baseline: 'none: the criterion is relative to the median of the same layer',
  view: 'massive activations',
};
