/** Checked by the compiler alone: every line under `@ts-expect-error` must not compile. */
import {
  add,
  concat,
  constant,
  crossEntropy,
  dot,
  expand,
  gather,
  gradients,
  groupRows,
  input,
  iota,
  mean,
  merge,
  multiply,
  pick,
  rename,
  select,
  slice,
  softmax,
  split,
  sum,
  type Tensor,
  takeAlong,
  topIds,
  topMask,
  type Within,
  weight,
} from '../../src/tensor/index.ts';

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;
const is = <T extends true>(_?: T) => undefined;

declare const q: Tensor<'B' | 'T' | 'D'>;
declare const k: Tensor<'B' | 'S' | 'D'>;
declare const x: Tensor<'B' | 'T' | 'M'>;
declare const ids: Tensor<'B' | 'T'>;
declare const mask: Within<'B' | 'T' | 'S'>;
declare const cosines: Within<'T' | 'D'>;
declare const name: string;
declare const record: Record<string, number>;

// What comes out.
const scores = dot(q, k, 'D');
is<Equal<typeof scores, Tensor<'B' | 'T' | 'S'>>>();
const masked = add(scores, mask);
is<Equal<typeof masked, Tensor<'B' | 'T' | 'S'>>>();
const other = add(mask, scores);
is<Equal<typeof other, Tensor<'B' | 'T' | 'S'>>>();
const rotated = multiply(q, cosines);
is<Equal<typeof rotated, Tensor<'B' | 'T' | 'D'>>>();
const both = add(q, k);
is<Equal<typeof both, Tensor<'B' | 'T' | 'S' | 'D'>>>();
const reduced = mean(scores, ['B', 'T']);
is<Equal<typeof reduced, Tensor<'S'>>>();
const summed = sum(reduced, 'S');
is<Equal<typeof summed, Tensor<never>>>();
const looked = gather(weight('embed', { V: 7, M: 4 }), ids, 'V');
is<Equal<typeof looked, Tensor<'B' | 'T' | 'M'>>>();
const chosen = topIds(scores, 'S', 2, 'K');
is<Equal<typeof chosen, Tensor<'B' | 'T' | 'K'>>>();
const taken = takeAlong(scores, ids, 'S');
is<Equal<typeof taken, Tensor<'B' | 'T'>>>();
const several = takeAlong(scores, chosen, 'S');
is<Equal<typeof several, Tensor<'B' | 'T' | 'K'>>>();
const group = groupRows(merge(chosen, ['B', 'T'], 'P'), 'K', { groups: 4, group: 0 }, 'N');
is<Equal<typeof group, Tensor<'N'>>>();
// @ts-expect-error the ids lack T
takeAlong(scores, sum(ids, 'T'), 'S');
const heads = split(x, 'M', { G: 2, R: 3, D: 4 });
is<Equal<typeof heads, Tensor<'B' | 'T' | 'G' | 'R' | 'D'>>>();
const merged = merge(heads, ['G', 'R'], 'H');
is<Equal<typeof merged, Tensor<'B' | 'T' | 'H' | 'D'>>>();
const keys = rename(q, 'T', 'S');
is<Equal<typeof keys, Tensor<'B' | 'S' | 'D'>>>();
const counted = iota('T', 'T');
is<Equal<typeof counted, Tensor<'T'>>>();
const pair = add(mask, cosines);
is<Equal<typeof pair, Within<'B' | 'T' | 'S' | 'D'>>>();

// An axis that is not there.
// @ts-expect-error no S
softmax(q, 'S');
// @ts-expect-error k has no T
dot(q, k, 'T');
// @ts-expect-error M is in neither
dot(q, k, ['D', 'M']);
// @ts-expect-error no S
sum(q, ['T', 'S']);
// @ts-expect-error no S
mean(q, 'S');
// @ts-expect-error no S
pick(q, 'S', 0);
// @ts-expect-error no S
slice(q, 'S', 0, 1);
// @ts-expect-error no S
split(q, 'S', { J: 2, I: 2 });
// @ts-expect-error no S
merge(q, ['T', 'S'], 'P');
// @ts-expect-error no S
rename(q, 'S', 'T');
// @ts-expect-error no S
topMask(q, 'S', 1);
// @ts-expect-error no V
gather(x, ids, 'V');
// @ts-expect-error operands of other axes
concat([q, k], 'D');
// @ts-expect-error no S in both
concat([q, q], 'S');

// An axis computed while running.
// @ts-expect-error a string is no axis
rename(q, 'T', name);
// @ts-expect-error a string is no axis
merge(q, ['T', 'D'], name);
// @ts-expect-error a string is no axis
softmax(q, name);
// @ts-expect-error a string is no axis
iota(name, 'T');
// @ts-expect-error a record of any keys has no axes
input('x', record);
// @ts-expect-error a record of any keys has no axes
weight('w', record);
// @ts-expect-error a record of any keys has no axes
constant([1], record);
// @ts-expect-error a record of any keys has no axes
split(q, 'T', record);
// @ts-expect-error a record of any keys has no axes
expand(q, record);
// @ts-expect-error a computed key is no axis
input('x', { [name]: 1 });

// Exact means exact.
const residual = (_: Tensor<'B' | 'T' | 'M'>) => undefined;
const bias = (_: Within<'B' | 'T' | 'S'>) => undefined;
residual(x);
// @ts-expect-error the contraction over F was forgotten
residual(multiply(x, weight('w', { F: 8, M: 4 })));
// @ts-expect-error an axis is missing
residual(mean(x, 'T'));
// @ts-expect-error what may be broadcast is not the tensor itself
bias(mask) ?? residual(x as Within<'B' | 'T' | 'M'>);
// @ts-expect-error what may be broadcast cannot be contracted
dot(x, x as Within<'B' | 'T' | 'M'>, 'M');
// @ts-expect-error what may be broadcast cannot be reduced
softmax(mask, 'S');
bias(reduced);
bias(counted);
// @ts-expect-error D is beyond what may be broadcast
bias(q);

// Something that may have more axes than the tensor leaves the axes unknown.
// @ts-expect-error the sum may have S
residual(add(x, mask));
// @ts-expect-error the sum may have M
bias(add(x, mask));
// @ts-expect-error the condition has S, the choices do not
select(mask, ids, ids);
// @ts-expect-error a node without axes is no tensor
residual({ node: x.node });

// Gradients have the types of their values, in order.
declare const total: Tensor<never>;
const found = gradients(total, [q, mask]);
is<Equal<typeof found, [Tensor<'B' | 'T' | 'D'>, Within<'B' | 'T' | 'S'>]>>();
// @ts-expect-error a loss has no axes
gradients(x, [q]);
// A cross-entropy loses the axis of its classes; its targets never have it.
const nats = crossEntropy(x, ids, 'M');
is<Equal<typeof nats, Tensor<'B' | 'T'>>>();
// @ts-expect-error targets with the axis of the classes
crossEntropy(x, x, 'M');
