import {
  add,
  concat,
  expand,
  gather,
  mark,
  mean,
  merge,
  multiply,
  pad,
  pick,
  rename,
  roll,
  scatterAdd,
  sizes,
  slice,
  split,
  straightThrough,
} from '../../../src/tensor/index.ts';
import { differentiates } from '../differentiate.ts';

differentiates('rename', 'to a free name', ['B T D'], (x) => rename(x, 'T', 'S'));
differentiates('rename', 'beside the value under its old name', ['T'], (x) => multiply(x, rename(x, 'T', 'S')));
differentiates('split', 'into three axes', ['B P'], (x) => split(x, 'P', { G: 2, R: 3, J: 2 }));
differentiates('split', 'then averaged, so that the gradient lacks axes', ['B P'], (x) =>
  mean(split(x, 'P', { G: 2, R: 3, J: 2 }), ['G', 'J']),
);
differentiates('merge', 'of axes that lie apart', ['G T D'], (x) => merge(x, ['D', 'G'], 'M'));
differentiates('merge', 'of dynamic axes', ['T S'], (x) => merge(x, ['T', 'S'], 'P'));
differentiates('concat', 'of two values', ['B T D', 'D T B'], (a, b) => concat([a, b], 'D'));
differentiates('concat', 'of a value with itself along a dynamic axis', ['B T'], (x) =>
  concat([x, multiply(x, x), x], 'T'),
);
differentiates('concat', 'of a column and dynamic keys', ['T S'], (x) =>
  concat([x, expand(mean(x, 'S'), { S: 1 })], 'S'),
);
differentiates('expand', 'along new axes', ['T'], (x) => expand(x, { B: 3, M: 2 }));
differentiates('slice', 'of fixed bounds', ['B T M'], (x) => slice(x, 'M', 1, 4));
differentiates('slice', 'of bounds that depend on dynamic sizes', ['B T'], (x) =>
  slice(x, 'T', sizes(x).get('T')!.minus(1), sizes(x).get('T')!),
);
differentiates('slice', 'of parts that overlap', ['B M'], (x) => multiply(slice(x, 'M', 0, 4), slice(x, 'M', 2, 6)));
differentiates('pick', 'of the first and the last place', ['B T M'], (x) => multiply(pick(x, 'M', 0), pick(x, 'M', 5)));
differentiates('pick', 'down to a scalar', ['M'], (x) => pick(x, 'M', 3));
differentiates('pad', 'on both sides', ['B T M'], (x) => pad(x, 'M', 2, 1));
differentiates('pad', 'by dynamic sizes', ['T M'], (x) => pad(x, 'T', 1, sizes(x).get('T')!));
differentiates('gather', 'with repeated ids', ['V M', 'B T:natural'], (x, ids) => gather(x, ids, 'V'));
differentiates('gather', 'along a middle axis, by one id', ['B V M', ':natural'], (x, id) => gather(x, id, 'V'));
differentiates('gather', 'in single precision', ['V M:float32', 'B T:natural'], (x, ids) => gather(x, ids, 'V'));
differentiates('scatterAdd', 'with repeated ids', ['B T M', 'T B:natural'], (x, ids) => scatterAdd(x, ids, 'V', 7));
differentiates('scatterAdd', 'of the squares of rows', ['T M', 'T:natural'], (x, ids) => {
  const y = scatterAdd(x, ids, 'V', 7);
  return multiply(y, y);
});
differentiates('mark', 'is passed through', ['B T'], (x) => multiply(mark(x), x));
differentiates('straightThrough', 'of a value with itself', ['B T'], (x) => straightThrough(x, add(x, 0)));
differentiates('roll', 'forwards', ['B T M'], (x) => multiply(roll(x, 'M', 2), x));
differentiates('roll', 'backwards, by more than the axis', ['B M'], (x) => multiply(roll(x, 'M', -7), x));
