import {
  add,
  concat,
  expand,
  gradients,
  mean,
  merge,
  multiply,
  rename,
  rotary,
  sizes,
  slice,
  split,
  sum,
} from '../../../src/tensor/index.ts';
import { check } from '../check.ts';
import { differentiated } from '../differentiate.ts';
import { average, type Index, type Named, table } from '../reference.ts';

check(
  'rename',
  'gives another name',
  ['B T D'],
  (x) => rename(x, 'T', 'S'),
  (x) => table({ B: x.sizes.B!, S: x.sizes.T!, D: 4 }, (i) => x.at({ ...i, T: i.S! })),
);
check(
  'rename',
  'makes an outer sum of a vector with itself',
  ['T'],
  (x) => add(x, rename(x, 'T', 'S')),
  (x) => table({ T: x.sizes.T!, S: x.sizes.T! }, ({ T, S }) => x.at({ T: T! }) + x.at({ T: S! })),
);
check(
  'split',
  'has its slowest part first',
  ['B T P'],
  (x) => split(x, 'P', { G: 2, R: 3, J: 2 }),
  (x) =>
    table({ B: x.sizes.B!, T: x.sizes.T!, G: 2, R: 3, J: 2 }, (i) => x.at({ ...i, P: i.G! * 6 + i.R! * 2 + i.J! })),
);
check(
  'merge',
  'has its slowest part first',
  ['B G R D'],
  (x) => merge(x, ['G', 'R'], 'H'),
  (x) => table({ B: x.sizes.B!, H: 6, D: 4 }, (i) => x.at({ ...i, G: Math.floor(i.H! / 3), R: i.H! % 3 })),
);
check(
  'merge',
  'takes parts that lie apart, in the other order',
  ['G B R D'],
  (x) => merge(x, ['D', 'G'], 'M'),
  (x) => table({ B: x.sizes.B!, R: 3, M: 8 }, (i) => x.at({ ...i, D: Math.floor(i.M! / 2), G: i.M! % 2 })),
);
check(
  'merge',
  'takes dynamic axes',
  ['B T S D'],
  (x) => merge(x, ['T', 'S'], 'P'),
  (x) =>
    table({ B: x.sizes.B!, P: x.sizes.T! * x.sizes.S!, D: 4 }, (i) =>
      x.at({ ...i, T: Math.floor(i.P! / x.sizes.S!), S: i.P! % x.sizes.S! }),
    ),
);
check(
  'merge',
  'is undone by split',
  ['B T G R'],
  (x) => split(merge(x, ['G', 'R'], 'H'), 'H', { G: 2, R: 3 }),
  (x) => x,
);
check(
  'concat',
  'joins along an axis',
  ['B T D', 'D T B'],
  (a, b) => concat([a, b], 'D'),
  (a, b) => table({ ...a.sizes, D: 8 }, (i) => (i.D! < 4 ? a.at(i) : b.at({ ...i, D: i.D! - 4 }))),
);
check(
  'concat',
  'joins a column to dynamic keys',
  ['B T S'],
  (a) => concat([a, expand(mean(a, 'S'), { S: 1 })], 'S'),
  (a) => {
    const m = average(a, 'S');
    return table({ ...a.sizes, S: a.sizes.S! + 1 }, (i) => (i.S! < a.sizes.S! ? a.at(i) : m.at(i)));
  },
);
check(
  'concat',
  'is undone by slice',
  ['B T', 'B T'],
  (a, b) => slice(concat([a, b], 'T'), 'T', sizes(a).get('T')!, sizes(a).get('T')!.times(2)),
  (_, b) => b,
);
check(
  'expand',
  'repeats along new axes',
  ['T'],
  (x) => expand(x, { B: 3, M: 2 }),
  (x) => table({ B: 3, M: 2, T: x.sizes.T! }, (i) => x.at(i)),
);
check(
  'rotary',
  'turns pairs of halves by a table of places, whatever heads there are',
  ['B T G D', 'T I', 'T I'],
  (x, c, s) => rotary(x, slice(c, 'I', 0, 2), slice(s, 'I', 0, 2)),
  (x, c, s) => table(x.sizes, (i) => turned(x, c, s, i, 2)),
);
check(
  'rotary',
  'turns the first components by a table of texts and places, and leaves the others',
  ['B S D', 'B S I', 'B S I'],
  (x, c, s) => rotary(x, slice(c, 'I', 0, 1), slice(s, 'I', 0, 1)),
  (x, c, s) => table(x.sizes, (i) => turned(x, c, s, i, 1)),
);
// The operator has no double precision, in which gradients are compared with differences: the rule is that it turns back.
differentiated.add('rotary');
check(
  'rotary',
  'has a gradient that turns what comes back the other way',
  ['B T G D', 'B T G D', 'T I', 'T I'],
  (x, g, c, s) => {
    const y = rotary(x, slice(c, 'I', 0, 2), slice(s, 'I', 0, 2));
    return gradients(sum(multiply(y, g), ['B', 'T', 'G', 'D']), [x])[0];
  },
  (_, g, c, s) =>
    table(g.sizes, (i) => {
      const back = table(s.sizes, (at) => -s.at(at));
      return turned(g, c, back, i, 2);
    }),
);

function turned(x: Named, c: Named, s: Named, i: Index, pairs: number): number {
  const D = i.D!;
  if (D >= 2 * pairs) return x.at(i);
  const I = D % pairs;
  const other = D < pairs ? -x.at({ ...i, D: D + pairs }) : x.at({ ...i, D: D - pairs });
  return x.at(i) * c.at({ ...i, I }) + other * s.at({ ...i, I });
}
