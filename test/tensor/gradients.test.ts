import { expect, it } from 'vitest';
import * as tensor from '../../src/tensor/index.ts';
import type { Node } from '../../src/tensor/tensor.ts';
import { differentiated } from './differentiate.ts';
import './gradients/dot.ts';
import './gradients/elementwise.ts';
import './gradients/group.ts';
import './gradients/reduce.ts';
import './gradients/shape.ts';
import './values/shape.ts';

const { input } = tensor;
const x = input('x', { B: 'B', T: 'T', S: 'S' });
const mask = input('mask', { T: 'T' }, 'bool');
const ids = input('ids', { T: 'T', J: 2 }, 'int64');
const cell = input('cell', { B: 'B', T: 'T', G: 1, R: 2, D: 4 });
const key = input('key', { B: 'B', S: 'S', G: 1, D: 4 });

/** One value of each operator that has no rule. */
const withoutRule: Record<string, () => { readonly node: Node }> = {
  input: () => x,
  weight: () => tensor.weight('w', { M: 2 }),
  constant: () => tensor.constant([1], { M: 1 }),
  scalar: () => tensor.scalar(1),
  iota: () => tensor.iota('T', 'T'),
  extent: () => tensor.extent('T'),
  not: () => tensor.not(mask),
  and: () => tensor.and(mask, mask),
  or: () => tensor.or(mask, mask),
  less: () => tensor.less(x, 0),
  lessOrEqual: () => tensor.lessOrEqual(x, 0),
  equal: () => tensor.equal(x, 0),
  topMask: () => tensor.topMask(x, 'S', 1),
  topIds: () => tensor.topIds(x, 'S', 1, 'K'),
  groupRows: () => tensor.groupRows(ids, 'J', { groups: 2, group: 0 }, 'N'),
  groupPlaces: () => tensor.groupPlaces(ids, 'J'),
  stopGradient: () => tensor.stopGradient(x),
  fusedAttention: () => tensor.fusedAttention(cell, key, key, tensor.scalar(0), 1),
};

it('every exported operator has a gradient test or states why it has no gradient', () => {
  const others = ['canTurn', 'canonical', 'describe', 'gradients', 'isSame', 'lower', 'size', 'sizes', 'Dim'];
  const operators = Object.entries(tensor).filter(
    ([name, value]) => typeof value === 'function' && !others.includes(name),
  );
  const names = operators.map(([name]) => name);
  expect(names.filter((name) => !differentiated.has(name) && !(name in withoutRule))).toEqual([]);
  expect(names.filter((name) => differentiated.has(name) && name in withoutRule)).toEqual([]);
});

it('the reasons why an operator has no gradient are these', () => {
  const reasons = Object.entries(withoutRule).map(([name, make]) => {
    const { gradient } = make().node.operator;
    return [name, typeof gradient === 'function' ? 'it has a rule' : gradient.none];
  });
  expect(Object.fromEntries(reasons)).toMatchInlineSnapshot(`
    {
      "and": "the result is piecewise constant",
      "constant": "a source has no inputs",
      "equal": "the result is piecewise constant",
      "extent": "a size does not depend on values",
      "fusedAttention": "the watched steps are differentiated instead",
      "groupPlaces": "a choice is piecewise constant",
      "groupRows": "a choice is piecewise constant",
      "input": "a source has no inputs",
      "iota": "a source has no inputs",
      "less": "the result is piecewise constant",
      "lessOrEqual": "the result is piecewise constant",
      "not": "the result is piecewise constant",
      "or": "the result is piecewise constant",
      "scalar": "a source has no inputs",
      "stopGradient": "it is there to stop the gradient",
      "topIds": "a choice is piecewise constant",
      "topMask": "a choice is piecewise constant",
      "weight": "a source has no inputs",
    }
  `);
});
