import { expect, it } from 'vitest';
import { ShapeError } from '../../src/error.ts';
import {
  add,
  addAlong,
  and,
  cast,
  concat,
  constant,
  crossEntropy,
  Dim,
  dot,
  expand,
  fusedAttention,
  gather,
  groupPlaces,
  groupRows,
  input,
  iota,
  lower,
  mean,
  merge,
  multiply,
  not,
  type Output,
  pick,
  rename,
  roll,
  scalar,
  select,
  sizes,
  slice,
  softmax,
  split,
  sum,
  takeAlong,
  topIds,
  topMask,
  weight,
} from '../../src/tensor/index.ts';

/** The message of the ShapeError, or what was thrown instead. */
function message(build: () => unknown): string {
  try {
    build();
  } catch (error) {
    return error instanceof ShapeError ? error.message : `not a ShapeError: ${error}`;
  }
  return 'nothing was thrown';
}

const x = input('x', { B: 'B', T: 'T', M: 4 });
const y = input('y', { B: 'B', S: 'S', M: 6 });
const ids = input('ids', { B: 'B', T: 'T' }, 'int64');
const yes = input('yes', { T: 'T' }, 'bool');
/** Without the compiler's help, as a caller in plain JavaScript. */
const untyped = <T>(value: unknown) => value as T;
const lowered = (outputs: Record<string, Output>) => lower(outputs, { weights: 'inputs' });

it('operands whose shared axis has two sizes are named with both', () => {
  expect(message(() => add(x, y))).toMatchInlineSnapshot(
    `"add: axis M is 4 in one operand and 6 in another ([B, T, M = 4], [B, S, M = 6])"`,
  );
  expect(message(() => multiply(x, input('z', { B: 3 })))).toMatchInlineSnapshot(
    `"multiply: axis B is B in one operand and 3 in another ([B, T, M = 4], [B = 3])"`,
  );
  expect(message(() => dot(x, y, 'M'))).toMatchInlineSnapshot(
    `"dot: axis M is 4 in one operand and 6 in another ([B, T, M = 4], [B, S, M = 6])"`,
  );
  expect(message(() => fusedAttention(...attentionOperands()))).toMatchInlineSnapshot(
    `"fusedAttention: axis S is S in one operand and N in another ([B, G = 2, R = 1, T, D = 4], [B, G = 2, S, D = 4], [B, G = 2, S = N, D = 4], [T, S])"`,
  );
});

it('an axis that is not there is named with those that are', () => {
  expect(message(() => softmax(x, untyped<'M'>('S')))).toMatchInlineSnapshot(
    `"softmax: no axis S in [B, T, M = 4] (input)"`,
  );
  expect(message(() => sum(x, untyped<'M'>('S')))).toMatchInlineSnapshot(`"sum: no axis S in [B, T, M = 4] (input)"`);
  expect(message(() => dot(x, cast(ids, 'float32'), untyped<'B'>('M')))).toMatchInlineSnapshot(
    `"dot over M: no such axis in [B, T] (operands [B, T, M = 4] · [B, T])"`,
  );
  expect(message(() => rename(x, untyped<'M'>('S'), 'T'))).toMatchInlineSnapshot(
    `"rename: no axis S in [B, T, M = 4] (input)"`,
  );
  expect(message(() => gather(x, ids, untyped<'M'>('V')))).toMatchInlineSnapshot(
    `"gather: no axis V in [B, T, M = 4] (input)"`,
  );
  expect(message(() => slice(x, untyped<'M'>('S'), 0, 1))).toMatchInlineSnapshot(
    `"slice: no axis S in [B, T, M = 4] (input)"`,
  );
  expect(message(() => pick(x, untyped<'M'>('S'), 0))).toMatchInlineSnapshot(
    `"pick: no axis S in [B, T, M = 4] (input)"`,
  );
  expect(message(() => merge(x, [untyped<'M'>('S')], 'P'))).toMatchInlineSnapshot(
    `"merge: no axis S in [B, T, M = 4] (input)"`,
  );
});

it('an axis that is there already is named', () => {
  expect(message(() => rename(x, 'T', 'M'))).toMatchInlineSnapshot(`"rename: [B, T, M = 4] has an axis M already"`);
  expect(message(() => split(x, 'M', { T: 2, D: 2 }))).toMatchInlineSnapshot(
    `"split: [B, T, M = 4] has an axis T already"`,
  );
  expect(message(() => merge(x, ['B', 'T'], 'M'))).toMatchInlineSnapshot(
    `"merge: [B, T, M = 4] has an axis M already"`,
  );
  expect(message(() => expand(x, { T: 3 }))).toMatchInlineSnapshot(`"expand: [B, T, M = 4] has an axis T already"`);
  expect(message(() => gather(x, ids, 'M'))).toMatchInlineSnapshot(
    `"gather: both the table [B, T, M = 4] and the ids [B, T] have axis B"`,
  );
});

it('sizes that do not fit are named', () => {
  expect(message(() => split(x, 'M', { J: 2, I: 3 }))).toMatchInlineSnapshot(
    `"split: axis M has size 4, the parts {J: 2, I: 3} make 6"`,
  );
  expect(message(() => split(x, 'T', { J: 2, I: 3 }))).toMatchInlineSnapshot(
    `"split: axis T has size T, the parts {J: 2, I: 3} make 6"`,
  );
  expect(message(() => slice(x, 'M', 2, 5))).toMatchInlineSnapshot(
    `"slice: [2, 5) is outside axis M of [B, T, M = 4]"`,
  );
  expect(message(() => slice(x, 'M', 3, 2))).toMatchInlineSnapshot(
    `"slice: [3, 2) is outside axis M of [B, T, M = 4]"`,
  );
  expect(message(() => slice(x, 'T', 0, Dim.of('T').plus(1)))).toMatchInlineSnapshot(
    `"slice: [0, T + 1) is outside axis T of [B, T, M = 4]"`,
  );
  expect(message(() => pick(x, 'M', 4))).toMatchInlineSnapshot(`"pick: index 4 is outside axis M of [B, T, M = 4]"`);
  expect(message(() => pick(x, 'T', 0.5))).toMatchInlineSnapshot(
    `"pick: index 0.5 is outside axis T of [B, T, M = 4]"`,
  );
  expect(message(() => topMask(x, 'M', 5))).toMatchInlineSnapshot(
    `"topMask: cannot choose 5 along axis M of [B, T, M = 4]"`,
  );
  expect(message(() => topMask(x, 'M', 0))).toMatchInlineSnapshot(
    `"topMask: cannot choose 0 along axis M of [B, T, M = 4]"`,
  );
  expect(message(() => merge(x, [], 'P'))).toMatchInlineSnapshot(
    `"merge: expected one or more different axes of [B, T, M = 4], got []"`,
  );
  expect(message(() => merge(x, ['M', 'M'], 'P'))).toMatchInlineSnapshot(
    `"merge: expected one or more different axes of [B, T, M = 4], got [M,M]"`,
  );
  expect(message(() => constant([1, 2, 3], { J: 2 }))).toMatchInlineSnapshot(
    `"constant: expected 2 values for [J], got 3"`,
  );
  expect(message(() => constant([1], { J: 'T' }))).toMatchInlineSnapshot(
    `"constant: axis J must have a fixed size, got T"`,
  );
  expect(message(() => weight('lm_head.weight', { V: 'V', M: 4 }))).toMatchInlineSnapshot(
    `"weight lm_head.weight: axis V must have a fixed size, got V"`,
  );
  expect(message(() => input('x', { T: -1 }))).toMatchInlineSnapshot(
    `"input x: axis T: expected a whole number of at least 0 or a dimension name, got -1"`,
  );
  expect(message(() => input('x', { T: 1.5 }))).toMatchInlineSnapshot(
    `"input x: axis T: expected a whole number of at least 0 or a dimension name, got 1.5"`,
  );
  expect(message(() => iota('T', 'T−1'))).toMatchInlineSnapshot(`"size "T−1": expected a dimension name"`);
  expect(message(() => concat([x, rename(y, 'S', 'T')], 'T'))).toMatchInlineSnapshot(
    `"concat over T: operands must agree in all other axes, got [B, T, M = 4] float32 and [B, T = S, M = 6] float32"`,
  );
  expect(message(() => concat([], 'T' as never))).toMatchInlineSnapshot(
    `"concat over T: expected at least one tensor"`,
  );
});

it('element types that do not fit are named', () => {
  expect(message(() => softmax(ids, 'T'))).toMatchInlineSnapshot(
    `"softmax: expected float32 or float64, got int64 (input [B, T])"`,
  );
  expect(message(() => mean(ids, 'T'))).toMatchInlineSnapshot(
    `"mean: expected float32 or float64, got int64 (input [B, T])"`,
  );
  expect(message(() => add(x, ids))).toMatchInlineSnapshot(`"add: operands are float32 and int64; cast one of them"`);
  expect(message(() => not(ids))).toMatchInlineSnapshot(`"not: expected bool, got int64 (input [B, T])"`);
  expect(message(() => and(yes, ids))).toMatchInlineSnapshot(`"and: expected bool, got int64 (input [B, T])"`);
  expect(message(() => dot(x, cast(x, 'float64'), 'M'))).toMatchInlineSnapshot(
    `"dot: operands are float32 and float64; cast one of them"`,
  );
  expect(message(() => select(ids, x, 0))).toMatchInlineSnapshot(`"select: expected bool, got int64 (input [B, T])"`);
  expect(message(() => select(yes, x, ids))).toMatchInlineSnapshot(`"select: the two choices are float32 and int64"`);
  expect(message(() => select(yes, not(yes), yes))).toMatchInlineSnapshot(
    `"select: expected float32 or float64 or int64, got bool (not [T])"`,
  );
  expect(message(() => gather(x, rename(x, 'M', 'D'), 'T'))).toMatchInlineSnapshot(
    `"gather: expected int64, got float32 (rename [B, T, D = 4])"`,
  );
  expect(message(() => scalar(0.5, 'int64'))).toMatchInlineSnapshot(
    `"constant: expected whole numbers for int64, got 0.5"`,
  );
  expect(message(() => add(ids, 0.5))).toMatchInlineSnapshot(`"constant: expected whole numbers for int64, got 0.5"`);
  expect(message(() => concat([cast(ids, 'float32'), cast(ids, 'float64')], 'T'))).toMatchInlineSnapshot(
    `"concat over T: operands must agree in all other axes, got [B, T] float32 and [B, T] float64"`,
  );
});

it('a program that cannot be lowered says why', () => {
  const other = (name: string, axes: Record<'T', string | number>) => input(name, axes);
  expect(message(() => lowered({}))).toMatchInlineSnapshot(`"lower: expected at least one output"`);
  expect(message(() => lowered({ x: { value: x } }))).toMatchInlineSnapshot(
    `"lower: an output cannot be called "x": expected a name that is no input's and does not start with %"`,
  );
  expect(message(() => lowered({ '': { value: x } }))).toMatchInlineSnapshot(
    `"lower: an output cannot be called "": expected a name that is no input's and does not start with %"`,
  );
  expect(message(() => lowered({ out: { value: x, order: ['B', 'T'] } }))).toMatchInlineSnapshot(
    `"lower: output out is [B, T, M = 4], the order asked for is [B, T]"`,
  );
  expect(message(() => lowered({ out: { value: x, order: ['B', 'B', 'T'] } }))).toMatchInlineSnapshot(
    `"lower: output out is [B, T, M = 4], the order asked for is [B, B, T]"`,
  );
  expect(message(() => lowered({ out: { value: iota('T', 'N') } }))).toMatchInlineSnapshot(
    `"lowering: size N needs dimension N, which no input of the program has"`,
  );
  expect(
    message(() => lowered({ out: { value: add(other('a', { T: 'T' }), sum(other('a', { T: 3 }), 'T')) } })),
  ).toMatchInlineSnapshot(`"input a: used as float32 { T: T } and as float32 { T: 3 } in one program"`);
  expect(
    message(() => lowered({ out: { value: add(weight('w', { M: 4, V: 2 }), weight('w', { V: 2, M: 4 })) } })),
  ).toMatchInlineSnapshot(`"weight w: used as [4, 2] and as [2, 4] in one program"`);
  expect(message(() => input('no spaces', { T: 1 }))).toMatchInlineSnapshot(
    `"input: expected a name of letters, digits, _ and ., got "no spaces""`,
  );
  expect(message(() => sizes(x).get('M')!.plus('T').evaluate({}))).toMatchInlineSnapshot(
    `"size T + 4: dimension T is not known"`,
  );
});

function attentionOperands(): Parameters<typeof fusedAttention> {
  const q = input('q', { B: 'B', T: 'T', G: 2, R: 1, D: 4 });
  const k = input('k', { B: 'B', S: 'S', G: 2, D: 4 });
  return [q, k, input('v', { B: 'B', S: 'N', G: 2, D: 4 }), input('mask', { T: 'T', S: 'S' }), 1];
}

it('ids of takeAlong, addAlong and crossEntropy have the axes of the value but one; roll needs a fixed size', () => {
  const logits = input('logits', { B: 'B', T: 'T', V: 7 });
  const wrong = input('wrong', { B: 'B' }, 'int64');
  const floats = input('floats', { B: 'B', T: 'T' });
  expect(message(() => crossEntropy(logits, wrong as never, 'V'))).toMatchInlineSnapshot(
    `"crossEntropy: expected ids with the axes of [B, T, V = 7] except V, got [B]"`,
  );
  expect(message(() => crossEntropy(logits, floats, 'V'))).toMatchInlineSnapshot(
    `"crossEntropy: expected int64, got float32 (input [B, T])"`,
  );
  expect(message(() => takeAlong(logits, wrong as never, 'V'))).toMatchInlineSnapshot(
    `"takeAlong: expected ids with the axes of [B, T, V = 7] except V, got [B]"`,
  );
  expect(message(() => addAlong(logits, wrong as never, ids, 'V'))).toMatchInlineSnapshot(
    `"addAlong: expected float32 values with the axes of [B, T, V = 7] except V, got [B] int64"`,
  );
  expect(message(() => roll(logits, 'T', 1))).toMatchInlineSnapshot(
    `"roll: axis T of [B, T, V = 7] must have a fixed size"`,
  );
  expect(message(() => roll(logits, 'V', 0.5))).toMatchInlineSnapshot(
    `"roll: expected a whole number of places, got 0.5"`,
  );
});

it('choices are ids of rows, groups are counted from 0, and several ids for each place have one axis of their own', () => {
  const choices = input('choices', { T: 'T', K: 2 }, 'int64');
  const floats = input('floats', { T: 'T', K: 2 });
  expect(message(() => groupRows(floats, 'K', { groups: 4, group: 0 }, 'N'))).toMatchInlineSnapshot(
    `"groupRows: expected int64, got float32 (input [K = 2, T])"`,
  );
  expect(message(() => groupPlaces(input('three', { B: 1, T: 'T', K: 2 }, 'int64'), 'K'))).toMatchInlineSnapshot(
    `"groupPlaces: expected ids with one axis of rows beside K, got [B = 1, K = 2, T]"`,
  );
  expect(message(() => groupRows(choices, 'K', { groups: 4, group: 4 }, 'N'))).toMatchInlineSnapshot(
    `"groupRows: expected a group from 0 to below the number of groups, got 4 of 4"`,
  );
  expect(message(() => topIds(floats, 'K', 3, 'N'))).toMatchInlineSnapshot(
    `"topIds: cannot choose 3 along axis K of [K = 2, T]"`,
  );
  expect(message(() => topIds(floats, 'K', 1, 'T'))).toMatchInlineSnapshot(
    `"topIds: [K = 2, T] has an axis T already"`,
  );
  const wrong = input('wrong', { B: 'B', N: 2 }, 'int64');
  const logits = input('logits', { B: 'B', T: 'T', V: 7 });
  const several = input('several', { B: 'B', T: 'T', K: 2 }, 'int64');
  expect(message(() => takeAlong(logits, wrong as never, 'V'))).toMatchInlineSnapshot(
    `"takeAlong: expected ids with the axes of [B, T, V = 7] except V, and at most one more, got [B, N = 2]"`,
  );
  expect(message(() => addAlong(logits, choices as never, several, 'V'))).toMatchInlineSnapshot(
    `"addAlong: expected float32 values with the axes of the ids, [B, K = 2, T], got [K = 2, T] int64"`,
  );
});

it('a size that a choice makes is a dimension of its own: groups are only added to what has the same rows', () => {
  const choices = input('choices', { T: 'T', K: 2 }, 'int64');
  const of = (group: number) => groupRows(choices, 'K', { groups: 4, group }, 'N');
  expect(message(() => add(of(0), of(1)))).toMatch(
    /^add: axis N is group_\d+_0 in one operand and group_\d+_1 in another/,
  );
  expect(add(of(1), of(1)).node.axes.size).toBe(1);
});
