import { dot, pick, rename, softmax, split, type Tensor } from '../../../src/tensor/index.ts';
import { check } from '../check.ts';
import { type Named, soft, table, total } from '../reference.ts';

/** Σ over the axes of a · b, by definition. */
const contract = (a: Named, b: Named, ...over: string[]) =>
  total({ ...a.sizes, ...b.sizes }, over, (i) => a.at(i) * b.at(i));

check(
  'dot',
  'takes a weight as [out, in]',
  ['B T M', 'F M'],
  (x, w) => dot(x, w, 'M'),
  (x, w) => contract(x, w, 'M'),
);
check(
  'dot',
  'takes a weight as [in, out]',
  ['B T M', 'M F'],
  (x, w) => dot(x, w, 'M'),
  (x, w) => contract(x, w, 'M'),
);
check(
  'dot',
  'takes the weight first',
  ['F M', 'B T M'],
  (w, x) => dot(w, x, 'M'),
  (w, x) => contract(w, x, 'M'),
);
check(
  'dot',
  'makes several axes of one',
  ['B T M', 'G R D M'],
  (x, w) => dot(x, w, 'M'),
  (x, w) => contract(x, w, 'M'),
);
check(
  'dot',
  'contracts several axes',
  ['B T G R D', 'M G R D'],
  (x, w) => dot(x, w, ['G', 'R', 'D']),
  (x, w) => contract(x, w, 'G', 'R', 'D'),
);
check(
  'dot',
  'contracts axes in any order',
  ['B T G R D', 'D M G R'],
  (x, w) => dot(x, w, ['D', 'R', 'G']),
  (x, w) => contract(x, w, 'G', 'R', 'D'),
);
check(
  'dot',
  'names an axis twice to no effect',
  ['B T M', 'F M'],
  (x, w) => dot(x, w, ['M', 'M']),
  (x, w) => contract(x, w, 'M'),
);
check(
  'dot',
  'matches shared axes as a batch',
  ['B T G R D', 'B S G D'],
  (q, k) => dot(q, k, 'D'),
  (q, k) => contract(q, k, 'D'),
);
check(
  'dot',
  'matches shared axes with nothing left free',
  ['B T M', 'M T B'],
  (a, b) => dot(a, b, 'M'),
  (a, b) => contract(a, b, 'M'),
);
check(
  'dot',
  'multiplies a pattern with values',
  ['B G R T S', 'B S G D'],
  (p, v) => dot(p, v, 'S'),
  (p, v) => contract(p, v, 'S'),
);
check(
  'dot',
  'of a vector and a matrix is a vector',
  ['M', 'T M'],
  (a, b) => dot(a, b, 'M'),
  (a, b) => contract(a, b, 'M'),
);
check(
  'dot',
  'of a matrix and a vector is a vector',
  ['B T M', 'M'],
  (a, b) => dot(a, b, 'M'),
  (a, b) => contract(a, b, 'M'),
);
check(
  'dot',
  'of two vectors is a scalar',
  ['M', 'M'],
  (a, b) => dot(a, b, 'M'),
  (a, b) => contract(a, b, 'M'),
);
check(
  'dot',
  'over a dynamic axis',
  ['T M', 'T F'],
  (a, b) => dot(a, b, 'T'),
  (a, b) => contract(a, b, 'T'),
  1e-4,
);
check(
  'dot',
  'over all axes of both',
  ['T S', 'S T'],
  (a, b) => dot(a, b, ['T', 'S']),
  (a, b) => contract(a, b, 'T', 'S'),
  1e-3,
);
check(
  'dot',
  'with a dynamic operand without shared axes',
  ['B M', 'T S M'],
  (a, b) => dot(a, b, 'M'),
  (a, b) => contract(a, b, 'M'),
);
check(
  'dot',
  'over nothing is the outer product',
  ['B T', 'S M'],
  (a, b) => dot(a, b, []),
  (a, b) => contract(a, b),
);
check(
  'dot',
  'over nothing multiplies shared axes',
  ['B T', 'S T'],
  (a, b) => dot(a, b, []),
  (a, b) => contract(a, b),
);
check(
  'dot',
  'of scalars is their product',
  ['', ''],
  (a, b) => dot(a, b, []),
  (a, b) => contract(a, b),
);
check(
  'dot',
  'takes doubles',
  ['B T M:float64', 'F M:float64'],
  (x, w) => dot(x, w, 'M'),
  (x, w) => contract(x, w, 'M'),
  1e-13,
);
check(
  'dot',
  'takes doubles in a batch',
  ['B T M:float64', 'B S M:float64'],
  (x, w) => dot(x, w, 'M'),
  (x, w) => contract(x, w, 'M'),
  1e-13,
);
check(
  'dot',
  'of a tensor with itself',
  ['B T M'],
  (x) => dot(x, x, 'M'),
  (x) => contract(x, x, 'M'),
);
check(
  'dot',
  'of a Gram matrix',
  ['B T M'],
  (x) => dot(x, rename(x, 'T', 'S'), 'M'),
  (x) =>
    contract(
      x,
      table({ B: x.sizes.B!, S: x.sizes.T!, M: 6 }, (i) => x.at({ ...i, T: i.S! })),
      'M',
    ),
);

check(
  'dot',
  'chains to grouped attention',
  ['B T M', 'G R D M', 'G J D M', 'M G R D'],
  (x, wq, wkv, wo) => {
    const q = dot(x, wq, 'M');
    const kv = rename(dot(x, wkv, 'M'), 'T', 'S');
    const pattern = softmax(dot(q, pick(kv, 'J', 0), 'D'), 'S');
    const z = dot(pattern, pick(kv, 'J', 1), 'S');
    const out: Tensor<'B' | 'T' | 'M'> = dot(z, wo, ['G', 'R', 'D']);
    return out;
  },
  (x, wq, wkv, wo) => {
    const q = contract(x, wq, 'M');
    const kv = contract(x, wkv, 'M');
    const part = (J: number) => table({ B: x.sizes.B!, S: x.sizes.T!, G: 2, D: 4 }, (i) => kv.at({ ...i, T: i.S!, J }));
    return contract(contract(soft(contract(q, part(0), 'D'), 'S'), part(1), 'S'), wo, 'G', 'R', 'D');
  },
  1e-4,
);
check(
  'dot',
  'follows a split that leaves its axes interleaved',
  ['B T P', 'G J M'],
  (x, w) => dot(split(x, 'P', { G: 2, R: 3, J: 2 }), w, ['G', 'J']),
  (x, w) =>
    contract(
      table({ B: x.sizes.B!, T: x.sizes.T!, G: 2, R: 3, J: 2 }, (i) => x.at({ ...i, P: i.G! * 6 + i.R! * 2 + i.J! })),
      w,
      'G',
      'J',
    ),
);
