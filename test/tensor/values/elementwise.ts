import {
  absolute,
  add,
  and,
  cast,
  cos,
  divide,
  equal,
  erf,
  exp,
  less,
  lessOrEqual,
  log,
  maximum,
  minimum,
  multiply,
  negate,
  not,
  or,
  power,
  relu,
  remainder,
  select,
  sigmoid,
  silu,
  sin,
  sqrt,
  subtract,
  tanh,
  type Within,
} from '../../../src/tensor/index.ts';
import { check } from '../check.ts';
import { map, table, zip } from '../reference.ts';

/** erf by its series, in double precision. */
const error = (x: number) => {
  let [term, result] = [x, x];
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n;
    result += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * result;
};

check('negate', 'keeps the axes', ['B T M'], negate, (x) => map(x, (v) => -v));
check('negate', 'takes whole numbers', ['B T:int64'], negate, (x) => map(x, (v) => -v));
check('negate', 'takes a scalar', [''], negate, (x) => map(x, (v) => -v));
check('absolute', 'drops the sign', ['T S'], absolute, (x) => map(x, Math.abs));
check('exp', 'is the exponential', ['B T'], exp, (x) => map(x, Math.exp));
check('log', 'is the natural logarithm', ['B T:positive'], log, (x) => map(x, Math.log));
check('sqrt', 'is the square root', ['B T:positive'], sqrt, (x) => map(x, Math.sqrt));
check('cos', 'takes radians', ['T I'], cos, (x) => map(x, Math.cos));
check('sin', 'takes radians', ['T I'], sin, (x) => map(x, Math.sin));
check('tanh', 'saturates at ±1e4', ['B T:extreme'], tanh, (x) => map(x, Math.tanh));
check('sigmoid', 'saturates at ±1e4', ['B T:extreme'], sigmoid, (x) => map(x, (v) => 1 / (1 + Math.exp(-v))));
check('silu', 'is x · σ(x)', ['B T:extreme'], silu, (x) => map(x, (v) => v / (1 + Math.exp(-v))));
check('relu', 'cuts at zero', ['B T M'], relu, (x) => map(x, (v) => Math.max(v, 0)));
check('erf', 'is the Gauss error function', ['B T'], erf, (x) => map(x, error));
check('not', 'is the complement', ['B T:bool'], not, (x) => map(x, (v) => 1 - v));
check(
  'cast',
  'turns whole numbers into floats',
  ['B T:int64'],
  (x) => cast(x, 'float32'),
  (x) => x,
);
check(
  'cast',
  'turns truth into numbers',
  ['B T:bool'],
  (x) => cast(x, 'int64'),
  (x) => x,
);
check(
  'cast',
  'rounds doubles',
  ['B T:float64'],
  (x) => cast(x, 'float32'),
  (x) => map(x, Math.fround),
  0,
);

// Two operands, matched by name.
check('add', 'matches axes by name', ['B T M', 'M T B'], add, (a, b) => zip(a, b, (x, y) => x + y));
check('add', 'broadcasts the smaller operand', ['B T M', 'T'], add, (a, b) => zip(a, b, (x, y) => x + y));
check('add', 'gives the union of partly shared axes', ['B T', 'T S'], add, (a, b) => zip(a, b, (x, y) => x + y));
check('add', 'gives the union of axes not shared', ['S', 'B T'], add, (a, b) => zip(a, b, (x, y) => x + y));
check(
  'add',
  'takes a number',
  ['B T'],
  (a) => add(a, 2.5),
  (a) => map(a, (x) => x + 2.5),
);
check('add', 'takes doubles', ['B T:float64', 'T:float64'], add, (a, b) => zip(a, b, (x, y) => x + y), 1e-14);
check('add', 'takes a scalar tensor', ['B T', ''], add, (a, b) => zip(a, b, (x, y) => x + y));
check('subtract', 'keeps the order of its operands', ['T', 'B T M'], subtract, (a, b) => zip(a, b, (x, y) => x - y));
check(
  'subtract',
  'takes a number first',
  ['B T'],
  (a) => subtract(1, a),
  (a) => map(a, (x) => 1 - x),
);
check('multiply', 'takes whole numbers', ['T:int64', 'S:int64'], multiply, (a, b) => zip(a, b, (x, y) => x * y));
check('divide', 'keeps the order of its operands', ['T', 'B T:positive'], divide, (a, b) => zip(a, b, (x, y) => x / y));
check('minimum', 'takes the smaller', ['B T', 'T S'], minimum, (a, b) => zip(a, b, Math.min));
check('maximum', 'takes the larger', ['B T', 'T S'], maximum, (a, b) => zip(a, b, Math.max));
check(
  'power',
  'raises to a number',
  ['B T:positive'],
  (x) => power(x, 1.5),
  (x) => map(x, (v) => v ** 1.5),
);
check('power', 'raises to a tensor', ['B T:positive', 'T'], power, (a, b) => zip(a, b, (x, y) => x ** y), 1e-4);
check('less', 'compares whole numbers', ['T:int64', 'S:int64'], less, (a, b) => zip(a, b, (x, y) => Number(x < y)));
check(
  'less',
  'compares floats with a number',
  ['B T'],
  (a) => less(a, 0.5),
  (a) => map(a, (x) => Number(x < 0.5)),
);
check('lessOrEqual', 'holds at equality', ['T:int64', 'S:int64'], lessOrEqual, (a, b) =>
  zip(a, b, (x, y) => Number(x <= y)),
);
check('equal', 'compares whole numbers', ['T:int64', 'B:int64'], equal, (a, b) => zip(a, b, (x, y) => Number(x === y)));
check('and', 'needs both', ['B T:bool', 'S T:bool'], and, (a, b) => zip(a, b, (x, y) => x & y));
check('or', 'needs one', ['B T:bool', 'S T:bool'], or, (a, b) => zip(a, b, (x, y) => x | y));
check(
  'remainder',
  'has the sign of the dividend',
  ['B T:extreme'],
  (x) => remainder(x, 3),
  (x) => map(x, (v) => v % 3),
);
check(
  'select',
  'broadcasts its condition to the choices',
  ['T S:bool', 'B T S', 'S'],
  (condition, yes, no) => select(condition as Within<'T' | 'S'>, yes, no),
  (c, yes, no) => table(yes.sizes, (i) => (c.at(i) ? yes.at(i) : no.at(i))),
);
check(
  'select',
  'chooses between numbers',
  ['T S:bool'],
  (condition) => select(condition, 0, Number.NEGATIVE_INFINITY),
  (c) => map(c, (v) => (v ? 0 : Number.NEGATIVE_INFINITY)),
);
check(
  'select',
  'takes whole numbers',
  ['B T:bool', 'B T:int64'],
  (condition, yes) => select(condition, yes, 9),
  (c, yes) => zip(c, yes, (a, b) => (a ? b : 9)),
);
