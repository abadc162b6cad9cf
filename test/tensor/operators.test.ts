import { expect, it } from 'vitest';
import * as tensor from '../../src/tensor/index.ts';
import { covered } from './check.ts';
import './values/attention.ts';
import './values/choose.ts';
import './values/dot.ts';
import './values/elementwise.ts';
import './values/flow.ts';
import './values/group.ts';
import './values/reduce.ts';
import './values/shape.ts';
import './values/source.ts';

it('every exported operator has a value test', () => {
  const others = ['canTurn', 'canonical', 'describe', 'gradients', 'isSame', 'lower', 'size', 'sizes', 'Dim'];
  const operators = Object.entries(tensor).filter(
    ([name, value]) => typeof value === 'function' && !others.includes(name),
  );
  expect(operators.map(([name]) => name).filter((name) => !covered.has(name))).toEqual([]);
});
