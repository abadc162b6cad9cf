import {
  concat,
  dot,
  exp,
  gather,
  highest,
  lowest,
  mean,
  merge,
  rename,
  select,
  softmax,
  split,
  subtract,
  sum,
  type Within,
} from '../../../src/tensor/index.ts';
import { check } from '../check.ts';
import { average, fold, map, soft, table, total, zip } from '../reference.ts';

check(
  'sum',
  'adds along one axis',
  ['B T M'],
  (x) => sum(x, 'T'),
  (x) => total(x.sizes, ['T'], (i) => x.at(i)),
  1e-4,
);
check(
  'sum',
  'adds along several axes',
  ['B T M'],
  (x) => sum(x, ['B', 'M']),
  (x) => total(x.sizes, ['B', 'M'], (i) => x.at(i)),
);
check(
  'sum',
  'along no axis is the same value',
  ['B T'],
  (x) => sum(x, []),
  (x) => x,
);
check(
  'sum',
  'of whole numbers is whole',
  ['B T:int64'],
  (x) => sum(x, 'T'),
  (x) => total(x.sizes, ['T'], (i) => x.at(i)),
);
check(
  'sum',
  'of everything is a scalar',
  ['B T'],
  (x) => sum(x, ['B', 'T']),
  (x) => total(x.sizes, ['B', 'T'], (i) => x.at(i)),
);
check(
  'mean',
  'divides by the size of the axis',
  ['B T M'],
  (x) => mean(x, 'T'),
  (x) => average(x, 'T'),
);
check(
  'mean',
  'of everything divides by the number of elements',
  ['B T'],
  (x) => mean(x, ['T', 'B']),
  (x) => average(x, 'T', 'B'),
);
check(
  'highest',
  'is the largest value',
  ['B T S'],
  (x) => highest(x, 'S'),
  (x) => fold(x, 'S', -Infinity, Math.max),
);
check(
  'lowest',
  'is the smallest value',
  ['B T S'],
  (x) => lowest(x, 'T'),
  (x) => fold(x, 'T', Infinity, Math.min),
);
check(
  'softmax',
  'sums to one along its axis',
  ['B T S'],
  (x) => softmax(x, 'S'),
  (x) => soft(x, 'S'),
);
check(
  'softmax',
  'works along an axis that is not last',
  ['B T S'],
  (x) => softmax(x, 'T'),
  (x) => soft(x, 'T'),
);
check(
  'softmax',
  'survives scores of ±1e4',
  ['B T S:extreme'],
  (x) => softmax(x, 'S'),
  (x) => soft(x, 'S'),
  1e-3,
);
check(
  'softmax',
  'takes doubles',
  ['B S:float64'],
  (x) => softmax(x, 'S'),
  (x) => soft(x, 'S'),
  1e-12,
);
check(
  'softmax',
  'gives masked keys exactly nothing',
  ['B T S:extreme', 'T S:bool'],
  (x, m) => {
    return softmax(select(m as Within<'T' | 'S'>, x, -1e30), 'S');
  },
  (x, m) =>
    soft(
      table(x.sizes, (i) => (m.at(i) ? x.at(i) : -1e30)),
      'S',
    ),
  1e-3,
);
check(
  'mean',
  'broadcasts again after it',
  ['B T M'],
  (x) => subtract(x, mean(x, 'M')),
  (x) => zip(x, average(x, 'M'), (a, b) => a - b),
);
check(
  'mean',
  'of a mean',
  ['B T M'],
  (x) => mean(mean(x, 'M'), 'T'),
  (x) => average(x, 'M', 'T'),
);
check(
  'mean',
  'then element by element',
  ['B T M'],
  (x) => exp(mean(x, 'B')),
  (x) => map(average(x, 'B'), Math.exp),
);
check(
  'mean',
  'then beside its like',
  ['B T M'],
  (x) => concat([mean(x, 'T'), highest(x, 'T'), rename(mean(x, 'T'), 'B', 'B')], 'M'),
  (x) => {
    const [a, b] = [average(x, 'T'), fold(x, 'T', -Infinity, Math.max)];
    return table({ B: x.sizes.B!, M: 18 }, ({ B, M }) => (M! >= 6 && M! < 12 ? b : a).at({ B: B!, M: M! % 6 }));
  },
);
check(
  'mean',
  'then merged and split',
  ['B G T R D'],
  (x) => split(merge(mean(x, 'T'), ['G', 'R'], 'H'), 'D', { J: 2, I: 2 }),
  (x) => {
    const m = average(x, 'T');
    return table({ B: x.sizes.B!, H: 6, J: 2, I: 2 }, ({ B, H, J, I }) =>
      m.at({ B: B!, G: Math.floor(H! / 3), R: H! % 3, D: J! * 2 + I! }),
    );
  },
);
check(
  'mean',
  'then contracted',
  ['B T M', 'F M'],
  (x, w) => dot(mean(x, 'T'), w, 'M'),
  (x, w) => {
    const m = average(x, 'T');
    return total({ B: x.sizes.B!, F: 5, M: 6 }, ['M'], (i) => m.at(i) * w.at(i));
  },
);
check(
  'mean',
  'of a table that is looked up',
  ['V J M', 'B T:natural'],
  (x, ids) => gather(mean(x, 'J'), ids, 'V'),
  (x, ids) => {
    const m = average(x, 'J');
    return table({ ...ids.sizes, M: 6 }, (i) => m.at({ M: i.M!, V: ids.at(i) }));
  },
);
