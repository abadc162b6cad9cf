import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Dim } from '../../src/tensor/index.ts';

// Small primes: the values of products of a dozen sizes stay exact.
const sizes = { B: 2, S: 5, T: 3 };
const expression: fc.Arbitrary<Dim> = fc.letrec<{ dim: Dim }>((again) => ({
  dim: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('B', 'S', 'T').map((name) => Dim.of(name)),
    fc.integer({ min: -5, max: 5 }).map((size) => Dim.of(size)),
    fc.tuple(again('dim'), again('dim')).map(([a, b]) => a.plus(b)),
    fc.tuple(again('dim'), again('dim')).map(([a, b]) => a.times(b)),
    fc.tuple(again('dim'), again('dim')).map(([a, b]) => a.minus(b)),
  ),
})).dim;
const property = (title: string, body: (a: Dim, b: Dim, c: Dim) => void) =>
  it(title, () => fc.assert(fc.property(expression, expression, expression, body), { numRuns: 100 }));

property('evaluation is compatible with plus, minus and times', (a, b) => {
  expect(a.plus(b).evaluate(sizes)).toBe(a.evaluate(sizes) + b.evaluate(sizes));
  expect(a.minus(b).evaluate(sizes)).toBe(a.evaluate(sizes) - b.evaluate(sizes));
  expect(a.times(b).evaluate(sizes) + 0).toBe(a.evaluate(sizes) * b.evaluate(sizes) + 0);
});

property('equal polynomials have one normal form, however they were made', (a, b, c) => {
  expect(String(a.plus(b).times(c))).toBe(String(c.times(b).plus(a.times(c))));
  expect(a.times(b).equals(b.times(a))).toBe(true);
  expect(a.minus(a).constant).toBe(0);
});

property('two sizes are equal exactly when they are written alike', (a, b) => {
  expect(a.equals(b)).toBe(String(a) === String(b));
});

property('the sum of its products is the value', (a) => {
  const total = a.products.reduce(
    (sum, [coefficient, names]) => sum + names.reduce((p, name) => p * sizes[name as 'B'], coefficient),
    0,
  );
  expect(total + 0).toBe(a.evaluate(sizes) + 0);
});

it('a size is written as a sum of products, the constant last', () => {
  expect(String(Dim.of('T').plus(1))).toBe('T + 1');
  expect(String(Dim.of('T').times('B'))).toBe('B·T');
  expect(String(Dim.of('S').times(2).minus(4))).toBe('2·S − 4');
  expect(String(Dim.of(3).minus('T'))).toBe('−T + 3');
  expect(String(Dim.of('T').plus(1).times(Dim.of('T').minus(1)))).toBe('T·T − 1');
  expect(String(Dim.of('T').minus('T'))).toBe('0');
});

it('a size knows its dimensions and whether it is a number', () => {
  expect(Dim.of('T').times('B').plus(2).names).toEqual(['B', 'T']);
  expect(Dim.of('T').constant).toBeUndefined();
  expect(Dim.of('T').minus('T').plus(7).constant).toBe(7);
  expect(Dim.of(0).constant).toBe(0);
});

it('what is not a size is refused', () => {
  expect(() => Dim.of(1.5)).toThrow('size 1.5: expected an integer');
  expect(() => Dim.of('')).toThrow('size "": expected a dimension name');
  expect(() => Dim.of('T + 1')).toThrow('size "T + 1": expected a dimension name');
  expect(() => Dim.of('T').plus('S').evaluate({ T: 1 })).toThrow('size S + T: dimension S is not known');
});
