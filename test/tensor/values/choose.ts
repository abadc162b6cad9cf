import { gather, pick, sizes, slice, topMask } from '../../../src/tensor/index.ts';
import { check } from '../check.ts';
import { type Named, table, without } from '../reference.ts';

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
