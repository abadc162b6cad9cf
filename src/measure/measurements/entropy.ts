import { uniformByLayer } from '../layer-visibility.ts';
import type { Measurement } from '../measurement.ts';
import { rowEntropy } from '../reductions.ts';
import { RowMeans } from '../row-means.ts';

/**
 * Entropy of attention rows, −Σ_k p_k ln p_k in nats (2303.06296), mean over queries: near ln n for attention spread over n keys, near 0
 * for attention on one. A learned sink's mass is not a term of the sum.
 */
export const measurement: Measurement<(number[] | null)[]> = {
  name: 'entropy',
  title: 'Entropy of attention rows',
  source: '2303.06296',
  over: 'page',
  reductions: { rowEntropy },
  takes: [],
  collect: (setting) => new RowMeans(setting, ({ reduced }) => reduced.rowEntropy),
  baseline: (setting) => uniformByLayer(setting).map((uniform) => uniform?.entropy ?? null),
  pictures: (found) => [
    {
      kind: 'curves',
      about: 'Mean over heads and queries of the page.',
      quantity: 'nats',
      log: false,
      series: [{ label: 'measured', values: found.map((heads) => heads && mean(heads)) }],
    },
  ],
};

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
