import {
  concat,
  dot,
  gather,
  groupPlaces,
  groupRows,
  mean,
  multiply,
  power,
  type Tensor,
  takeAlong,
} from '../../../src/tensor/index.ts';
import { differentiates } from '../differentiate.ts';

/** Each row through the functions that it chose of seven, x² times 1, 2, …, weighted and added up. */
function mixture(x: Tensor<'T' | 'M'>, ids: Tensor<'T' | 'J'>, shares: Tensor<'T' | 'J'>): Tensor<'T' | 'M'> {
  const results = Array.from({ length: 7 }, (_, group) => {
    const rows = gather(x, groupRows(ids, 'J', { groups: 7, group }, 'N'), 'T');
    return multiply(power(rows, 2), group + 1);
  });
  return dot(gather(concat(results, 'N'), groupPlaces(ids, 'J'), 'N'), shares, 'J');
}

differentiates('gather', 'of rows by group, and back', ['T M', 'T J:natural', 'T J'], mixture);
differentiates('gather', 'of the rows of one group, averaged', ['T M', 'T J:zero'], (x, ids) =>
  mean(gather(multiply(x, x), groupRows(ids, 'J', { groups: 2, group: 0 }, 'N'), 'T'), 'N'),
);
differentiates('takeAlong', 'of several values at once', ['B T V', 'B J T:natural'], (x, ids) =>
  takeAlong(multiply(x, x), ids, 'V'),
);
