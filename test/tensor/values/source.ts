import { add, cast, constant, extent, iota, multiply, scalar, sizes } from '../../../src/tensor/index.ts';
import { check, covered } from '../check.ts';
import { table } from '../reference.ts';

const values = Array.from({ length: 24 }, (_, i) => Math.fround(Math.sin(i)));
check(
  'constant',
  'is row-major in the order of its keys',
  ['B'],
  (x) => multiply(x, constant(values, { D: 4, M: 6 })),
  (x) => table({ ...x.sizes, D: 4, M: 6 }, (i) => x.at(i) * values[i.D! * 6 + i.M!]!),
);
check(
  'constant',
  'may be large',
  ['B'],
  (x) =>
    add(
      x,
      constant(
        Array.from({ length: 4096 }, (_, i) => i),
        { M: 4096 },
      ),
    ),
  (x) => table({ ...x.sizes, M: 4096 }, (i) => x.at(i) + i.M!),
);
check(
  'scalar',
  'has no axes',
  [],
  () => scalar(2.5),
  () => table({}, () => 2.5),
);
check(
  'iota',
  'counts along a dynamic axis',
  ['T'],
  (x) => add(cast(iota('T', sizes(x).get('T')!), 'float32'), multiply(x, 0)),
  (x) => table(x.sizes, (i) => i.T!),
);
check(
  'extent',
  'is a size while running',
  ['B T'],
  (x) => add(cast(extent(sizes(x).get('T')!.times(2).plus(1)), 'float32'), multiply(x, 0)),
  (x) => table(x.sizes, () => 2 * x.sizes.T! + 1),
);
covered.add('input'); // every check
covered.add('weight'); // test/runtime/weights.test.ts
