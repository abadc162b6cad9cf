import { dot, mean, multiply, pick, rename, split } from '../../../src/tensor/index.ts';
import { differentiates } from '../differentiate.ts';

differentiates('dot', 'with a weight stored [out, in]', ['B T M', 'F M'], (x, w) => dot(x, w, 'M'));
differentiates('dot', 'with a weight stored [in, out]', ['B T M', 'M F'], (x, w) => dot(x, w, 'M'));
differentiates('dot', 'with the weight first', ['F M', 'B T M'], (w, x) => dot(w, x, 'M'));
differentiates('dot', 'into several axes', ['B T M', 'G R D M'], (x, w) => dot(x, w, 'M'));
differentiates('dot', 'over several axes', ['B T G R D', 'M G R D'], (x, w) => dot(x, w, ['D', 'G', 'R']));
differentiates('dot', 'of queries and keys, in single precision', ['B T G R D:float32', 'B S G D:float32'], (q, k) =>
  dot(q, k, 'D'),
);
differentiates('dot', 'of queries and keys', ['B T G R D', 'B S G D'], (q, k) => dot(q, k, 'D'));
differentiates('dot', 'of patterns and values', ['B G R T S', 'B S G D'], (p, v) => dot(p, v, 'S'));
differentiates('dot', 'of vectors', ['M', 'M'], (a, b) => dot(a, b, 'M'));
differentiates('dot', 'of everything', ['B T', 'T B'], (a, b) => dot(a, b, ['B', 'T']));
differentiates('dot', 'over nothing, without shared axes', ['B T', 'S'], (a, b) => dot(a, b, []));
differentiates('dot', 'over nothing, with shared axes', ['B T', 'S T'], (a, b) => dot(a, b, []));
differentiates('dot', 'of scalars', ['', ''], (a, b) => dot(a, b, []));
differentiates('dot', 'of a value with itself', ['B T M'], (x) => dot(x, x, 'M'));
differentiates('dot', 'of a Gram matrix', ['B T M'], (x) => dot(x, rename(x, 'T', 'S'), 'M'));
differentiates('dot', 'where one operand has all axes of the other', ['B T M', 'T M'], (a, b) => dot(a, b, 'M'));
differentiates('dot', 'with expert weights', ['B T M', 'E F M'], (x, w) => dot(x, w, 'M'));
differentiates('dot', 'of an averaged result, whose gradient lacks axes', ['B T M', 'F M'], (x, w) =>
  mean(dot(x, w, 'M'), ['T', 'F']),
);
differentiates('dot', 'after a split that leaves its axes interleaved', ['B T P', 'G J M'], (x, w) =>
  dot(split(x, 'P', { G: 2, R: 3, J: 2 }), w, ['G', 'J']),
);
differentiates('dot', 'twice with one weight', ['B T M', 'M S'], (x, w) =>
  multiply(dot(x, w, 'M'), dot(multiply(x, x), w, 'M')),
);
differentiates('dot', 'of parts of one projection', ['B T M', 'G J D M'], (x, w) => {
  const y = dot(x, w, 'M');
  return dot(pick(y, 'J', 0), rename(pick(y, 'J', 1), 'T', 'S'), 'D');
});
