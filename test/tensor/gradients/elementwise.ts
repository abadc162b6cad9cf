import {
  absolute,
  add,
  cast,
  cos,
  divide,
  erf,
  exp,
  less,
  log,
  maximum,
  minimum,
  multiply,
  negate,
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
} from '../../../src/tensor/index.ts';
import { differentiates } from '../differentiate.ts';

differentiates('negate', 'of every axis', ['B T M'], negate);
differentiates('absolute', 'on both sides of zero', ['T S'], absolute);
differentiates('exp', 'of a matrix', ['B T'], exp);
differentiates('log', 'of positive values', ['B T:positive'], log);
differentiates('sqrt', 'of positive values', ['B T:positive'], sqrt, 1e-6);
differentiates('cos', 'of radians', ['T I:float32'], cos);
differentiates('sin', 'of radians', ['T I:float32'], sin);
differentiates('tanh', 'of a matrix', ['B T'], tanh);
differentiates('sigmoid', 'of a matrix', ['B T'], sigmoid);
differentiates('silu', 'of a matrix', ['B T:float32'], silu);
differentiates('relu', 'on both sides of zero', ['B T'], relu);
differentiates('erf', 'of a matrix', ['B T:float32'], erf);
differentiates('cast', 'through single precision', ['B T:float32'], (x) => cast(cast(x, 'float64'), 'float32'));

differentiates('add', 'of operands that each lack axes', ['B T', 'T S'], add);
differentiates('add', 'of a scalar', ['B T', ''], add);
differentiates('add', 'of a value to itself', ['B T'], (x) => add(x, x));
differentiates('subtract', 'of operands that share no axis', ['B', 'T'], subtract);
differentiates('subtract', 'of a value from a number', ['B T'], (x) => subtract(1, x));
differentiates('multiply', 'of operands that each lack axes', ['B T', 'T S'], multiply);
differentiates('multiply', 'of a value with itself', ['B T'], (x) => multiply(x, x));
differentiates('multiply', 'of a row that every prompt shares', ['B T M', 'M'], multiply);
differentiates('divide', 'in both operands', ['T', 'B T'], divide, 1e-6);
differentiates('divide', 'of a number', ['T'], (x) => divide(1, x), 1e-6);
differentiates('minimum', 'away from ties', ['B T', 'T S'], minimum);
differentiates('maximum', 'away from ties', ['B T', 'T S'], maximum);
differentiates('power', 'in both operands', ['B T:positive', 'T'], power, 1e-6);
differentiates('power', 'with a whole exponent, of either sign', ['B T'], (x) => power(x, 3));
differentiates('power', 'of squares', ['B T'], (x) => power(x, 2));
differentiates('power', 'with exponent one', ['B T'], (x) => power(x, 1));
differentiates('power', 'with exponent minus a half', ['B T:positive'], (x) => power(x, -0.5), 1e-6);
differentiates('power', 'of a number', ['B T'], (x) => power(2, x));
differentiates('remainder', 'in its dividend, between the jumps', ['B T'], (x) => multiply(remainder(x, 4), x));
differentiates('select', 'of two values under a smaller condition', ['T:bool', 'B T', 'S T'], (c, yes, no) =>
  select(c as never, yes, no as never),
);
differentiates('select', 'against a number', ['B T:bool', 'B T'], (c, yes) => select(c, yes, 9));
differentiates('select', 'by a comparison, which itself has no gradient', ['B T'], (x) =>
  select(less(x, 0.1), multiply(x, x), x),
);
