import { uniformByLayer } from '../layer-visibility.ts';
import type { Measurement } from '../measurement.ts';
import { rowEntropy, sinkMass } from '../reductions.ts';
import { RowMeans } from '../row-means.ts';

/**
 * Effective number of keys of each head: exp(entropy) of an attention row, mean over queries (2303.06296 for the entropy). n for a row
 * that is uniform over n keys, 1 for a row on one key. Beside a learned sink with mass 1 − m the row over the keys is divided by m first:
 * exp(H / m + ln m), to 1e-4; rows with less than 0.001 on keys are left out. It cannot tell which keys: a sink and a copying head both give 1.
 */
export const measurement: Measurement<(number[] | null)[]> = {
  name: 'effective-keys',
  title: 'Effective number of keys',
  source: '2303.06296',
  over: 'page',
  reductions: { rowEntropy, sinkMass },
  takes: [],
  collect: (setting) =>
    new RowMeans(setting, ({ reduced: { rowEntropy, sinkMass } }) =>
      rowEntropy?.map((entropy, row) => effectiveKeys(entropy, 1 - (sinkMass?.[row] ?? 0))),
    ),
  baseline: (setting) => uniformByLayer(setting).map((uniform) => uniform && mean(uniform.rowEntropy.map(Math.exp))),
  pictures: (found) => [
    {
      kind: 'map',
      about:
        'Exponential of the entropy of an attention row, mean over the queries of the page: 1 is attention on one key.',
      quantity: 'keys',
      share: false,
      values: found,
    },
  ],
};

const effectiveKeys = (entropy: number, mass: number) =>
  mass < 0.001 ? Number.NaN : mass * Math.exp(Math.max(0, entropy) / mass);

const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
