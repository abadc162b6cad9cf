import {
  addAlong,
  crossEntropy,
  gather,
  pad,
  pick,
  roll,
  scatterAdd,
  sizes,
  slice,
  takeAlong,
  topMask,
} from '../../../src/tensor/index.ts';
import { check } from '../check.ts';
import { each, type Named, table, without } from '../reference.ts';

const cut = (x: Named, axis: string, start: number, end: number) =>
  table({ ...x.sizes, [axis]: end - start }, (i) => x.at({ ...i, [axis]: i[axis]! + start }));
check(
  'slice',
  'keeps start ≤ i < end',
  ['B T M'],
  (x) => slice(x, 'M', 1, 4),
  (x) => cut(x, 'M', 1, 4),
);
check(
  'slice',
  'takes bounds that depend on dynamic sizes',
  ['B T M'],
  (x) => slice(x, 'T', sizes(x).get('T')!.minus(1), sizes(x).get('T')!),
  (x) => cut(x, 'T', x.sizes.T! - 1, x.sizes.T!),
);
check(
  'pick',
  'removes the axis',
  ['B T M'],
  (x) => pick(x, 'M', 5),
  (x) => table(without(x.sizes, 'M'), (i) => x.at({ ...i, M: 5 })),
);
check(
  'pick',
  'leaves a scalar',
  ['M'],
  (x) => pick(x, 'M', 0),
  (x) => table({}, () => x.at({ M: 0 })),
);
check(
  'gather',
  'looks rows up',
  ['V M', 'B T:natural'],
  (x, ids) => gather(x, ids, 'V'),
  (x, ids) => table({ ...ids.sizes, M: 6 }, (i) => x.at({ M: i.M!, V: ids.at(i) })),
);
check(
  'gather',
  'looks up along a middle axis, by one id',
  ['B V M', ':natural'],
  (x, id) => gather(x, id, 'V'),
  (x, id) => table(without(x.sizes, 'V'), (i) => x.at({ ...i, V: id.at({}) })),
);
const padded = (x: Named, axis: string, before: number, after: number) =>
  table({ ...x.sizes, [axis]: before + x.sizes[axis]! + after }, (i) => {
    const at = i[axis]! - before;
    return at < 0 || at >= x.sizes[axis]! ? 0 : x.at({ ...i, [axis]: at });
  });
check(
  'pad',
  'puts zeros before and after',
  ['B T M'],
  (x) => pad(x, 'M', 2, 1),
  (x) => padded(x, 'M', 2, 1),
);
check(
  'pad',
  'takes dynamic numbers of zeros',
  ['B T M'],
  (x) => pad(x, 'T', 0, sizes(x).get('B')!),
  (x) => padded(x, 'T', 0, x.sizes.B!),
);
check(
  'pad',
  'takes whole numbers',
  ['B T:int64'],
  (x) => pad(x, 'T', 1, 0),
  (x) => padded(x, 'T', 1, 0),
);
const scattered = (rows: Named, ids: Named, size: number) => {
  const sums = new Map<string, number>();
  const rest = without(rows.sizes, ...Object.keys(ids.sizes));
  const key = (v: number, i: Readonly<Record<string, number>>) =>
    JSON.stringify([v, ...Object.keys(rest).map((a) => i[a])]);
  each(rows.sizes, (i) => sums.set(key(ids.at(i), i), (sums.get(key(ids.at(i), i)) ?? 0) + rows.at(i)));
  return table({ V: size, ...rest }, (i) => sums.get(key(i.V!, i)) ?? 0);
};
check(
  'scatterAdd',
  'adds rows of equal ids',
  ['B T M', 'T B:natural'],
  (rows, ids) => scatterAdd(rows, ids, 'V', 7),
  (rows, ids) => scattered(rows, ids, 7),
);
check(
  'scatterAdd',
  'adds rows of several axes, in double precision',
  ['G T D:float64', 'T:natural'],
  (rows, ids) => scatterAdd(rows, ids, 'V', 7),
  (rows, ids) => scattered(rows, ids, 7),
  1e-12,
);
check(
  'scatterAdd',
  'takes one id',
  ['M', ':natural'],
  (rows, id) => scatterAdd(rows, id, 'V', 7),
  (rows, id) => scattered(rows, id, 7),
);
check(
  'roll',
  'moves values on, the last to the start',
  ['B T M'],
  (x) => roll(x, 'M', 2),
  (x) => table(x.sizes, (i) => x.at({ ...i, M: (i.M! + 4) % 6 })),
);
check(
  'roll',
  'moves backwards, by more than the axis',
  ['B M T'],
  (x) => roll(x, 'M', -7),
  (x) => table(x.sizes, (i) => x.at({ ...i, M: (i.M! + 7) % 6 })),
);
check(
  'roll',
  'by the whole axis changes nothing',
  ['B M:int64'],
  (x) => roll(x, 'M', 6),
  (x) => x,
);
check(
  'takeAlong',
  'takes one value for each place',
  ['B T V', 'T B:natural'],
  (x, ids) => takeAlong(x, ids, 'V'),
  (x, ids) => table(ids.sizes, (i) => x.at({ ...i, V: ids.at(i) })),
);
check(
  'takeAlong',
  'takes whole numbers, of one axis',
  ['V:int64', ':natural'],
  (x, id) => takeAlong(x, id, 'V'),
  (x, id) => table({}, () => x.at({ V: id.at({}) })),
);
check(
  'takeAlong',
  'takes several values for each place where the ids have an axis of their own',
  ['B T V', 'J T B:natural'],
  (x, ids) => takeAlong(x, ids, 'V'),
  (x, ids) => table(ids.sizes, (i) => x.at({ ...i, V: ids.at(i) })),
);
check(
  'addAlong',
  'adds several values at each place',
  ['B T V', 'T J B', 'B T J:natural'],
  (x, values, ids) => addAlong(x, values, ids, 'V'),
  (x, values, ids) =>
    table(x.sizes, (i) => {
      const added = [0, 1].map((J) => (ids.at({ ...i, J }) === i.V ? values.at({ ...i, J }) : 0));
      return x.at(i) + added[0]! + added[1]!;
    }),
);
check(
  'addAlong',
  'adds one value at each place',
  ['B T V', 'T B', 'B T:natural'],
  (x, values, ids) => addAlong(x, values, ids, 'V'),
  (x, values, ids) => table(x.sizes, (i) => x.at(i) + (ids.at(i) === i.V ? values.at(i) : 0)),
);
const nats = (logits: Named, targets: Named) =>
  table(targets.sizes, (i) => {
    const row = Array.from({ length: logits.sizes.V! }, (_, V) => logits.at({ ...i, V }));
    const top = Math.max(...row);
    return Math.log(row.reduce((sum, l) => sum + Math.exp(l - top), 0)) + top - row[targets.at(i)]!;
  });
check(
  'crossEntropy',
  'is −ln softmax at the target',
  ['B T V', 'T B:natural'],
  (logits, targets) => crossEntropy(logits, targets, 'V'),
  nats,
);
check(
  'crossEntropy',
  'stays finite where the target has probability 0 in single precision',
  ['B T V:extreme', 'B T:natural'],
  (logits, targets) => crossEntropy(logits, targets, 'V'),
  nats,
);
check(
  'crossEntropy',
  'takes doubles',
  ['V T:float64', 'T:natural'],
  (logits, targets) => crossEntropy(logits, targets, 'V'),
  nats,
  1e-12,
);
check(
  'topMask',
  'marks the largest',
  ['B T E'],
  (x) => topMask(x, 'E', 2),
  (x) => ranks(x, 'E', 2),
);
check(
  'topMask',
  'marks one',
  ['B E T'],
  (x) => topMask(x, 'E', 1),
  (x) => ranks(x, 'E', 1),
);
function ranks(x: Named, axis: string, count: number): Named {
  return table(x.sizes, (i) => {
    let larger = 0;
    for (let j = 0; j < x.sizes[axis]!; j++) if (x.at({ ...i, [axis]: j }) > x.at(i)) larger++;
    return Number(larger < count);
  });
}
