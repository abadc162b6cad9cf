import { mark, multiply, stopGradient, straightThrough } from '../../../src/tensor/index.ts';
import { check } from '../check.ts';
import { map } from '../reference.ts';

check('mark', 'keeps the values', ['B T'], mark, (x) => x);
check('stopGradient', 'keeps the values', ['B T'], stopGradient, (x) => x);
check(
  'straightThrough',
  'has the values of its first operand',
  ['B T'],
  (x) => straightThrough(multiply(x, 2), x),
  (x) => map(x, (v) => v * 2),
);
