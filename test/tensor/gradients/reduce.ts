import {
  add,
  addAlong,
  cast,
  crossEntropy,
  dot,
  equal,
  highest,
  iota,
  lowest,
  mean,
  multiply,
  or,
  power,
  select,
  sizes,
  softmax,
  sqrt,
  subtract,
  sum,
  takeAlong,
} from '../../../src/tensor/index.ts';
import { differentiates } from '../differentiate.ts';

differentiates('sum', 'along one axis', ['B T M'], (x) => sum(x, 'T'));
differentiates('sum', 'of squares along several axes', ['B T M'], (x) => sum(multiply(x, x), ['B', 'M']));
differentiates('mean', 'along a dynamic axis', ['B T M'], (x) => mean(x, 'T'));
differentiates('mean', 'then broadcast again', ['B T'], (x) => multiply(x, subtract(x, mean(x, 'T'))));
differentiates('mean', 'of everything', ['B T'], (x) => mean(multiply(x, x), ['B', 'T']));
differentiates('highest', 'away from ties', ['B T S'], (x) => highest(x, 'S'));
differentiates('highest', 'along several axes', ['B T S'], (x) => highest(x, ['S', 'B']));
differentiates('lowest', 'away from ties', ['B T S'], (x) => lowest(x, 'T'));
differentiates('softmax', 'along the last axis', ['B T S'], (x) => softmax(x, 'S'));
differentiates('softmax', 'along an axis that is not last, squared', ['B T S'], (x) => {
  const y = softmax(x, 'T');
  return multiply(y, y);
});
differentiates('softmax', 'with masked keys, of which key 0 is never one', ['T S', 'T S:bool'], (x, open) => {
  const first = equal(iota('S', sizes(x).get('S')!), 0);
  const bias = select(or(open, first), cast(first, 'float64') as never, Number.NEGATIVE_INFINITY);
  return softmax(add(x, bias as never), 'S');
});
differentiates('softmax', 'inside attention', ['B T D', 'B S D', 'B S M'], (q, k, v) =>
  dot(softmax(dot(q, k, 'D'), 'S'), v, 'S'),
);
differentiates('mean', 'inside a root mean square norm', ['B T M', 'M'], (x, w) =>
  multiply(multiply(x, power(add(mean(power(x, 2), 'M'), 1e-5), -0.5) as never), w as never),
);
differentiates('sqrt', 'inside a root mean square norm', ['B T M', 'M'], (x, w) =>
  multiply(multiply(x, sqrt(add(mean(power(x, 2), 'M'), 1e-5)) as never), w as never),
);

differentiates('crossEntropy', 'of targets under logits', ['B T V', 'B T:natural'], (logits, targets) =>
  crossEntropy(logits, targets, 'V'),
);
differentiates('crossEntropy', 'along an axis that is not last', ['V T', 'T:natural'], (logits, targets) =>
  crossEntropy(logits, targets, 'V'),
);
differentiates('takeAlong', 'of squares', ['B T V', 'B T:natural'], (x, ids) => takeAlong(multiply(x, x), ids, 'V'));
differentiates('addAlong', 'in both values', ['B T V', 'B T', 'T B:natural'], (x, values, ids) => {
  const y = addAlong(x, values, ids, 'V');
  return multiply(y, y);
});
