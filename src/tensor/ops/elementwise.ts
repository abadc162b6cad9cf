import { ShapeError } from '../../error.ts';
import type { Layout, Lowering, Placed } from '../lowering.ts';
import { elementTypes } from '../onnx.ts';
import { apply, expectType, type Operator, union } from '../operator.ts';
import type { DType, Node, Tensor, Within } from '../tensor.ts';
import { numberOf, scalar } from './source.ts';

/** The operand ready for broadcasting against a layout: leading dimensions of size one are left out. */
function operand(lowering: Lowering, node: Node, layout: Layout): string {
  const place = lowering.get(node);
  if (place.layout.length === layout.length && place.layout.every((axis, i) => axis === layout[i])) return place.name;
  const target = layout.map((axis) => (axis !== null && place.layout.includes(axis) ? axis : null));
  const first = target.findIndex((axis) => axis !== null);
  return lowering.arrange(place, first < 0 ? [] : target.slice(first));
}

type Rule = Operator['gradient'];
const flat: Rule = { none: 'the result is piecewise constant' };

function elementwise(name: string, onnx: string, types: readonly DType[], gradient: Rule, result?: DType): Operator {
  return {
    name,
    gradient,
    broadcasts: true,
    infer(inputs) {
      const dtype = inputs[0]!.dtype;
      for (const input of inputs) {
        expectType(name, input, ...types);
        if (input.dtype !== dtype)
          throw new ShapeError(`${name}: operands are ${dtype} and ${input.dtype}; cast one of them`);
      }
      return { axes: union(name, inputs), dtype: result ?? dtype };
    },
    lower(node, lowering): Placed {
      const layout = lowering.common(node.inputs);
      return {
        name: lowering.value(
          onnx,
          node.inputs.map((input) => operand(lowering, input, layout)),
        ),
        layout,
      };
    },
  };
}

const floats = ['float32', 'float64'] as const;
const numbers = [...floats, 'int64'] as const;

type Unary = <A extends string>(x: Tensor<A>) => Tensor<A>;
const unary = (name: string, onnx: string, gradient: Rule, types: readonly DType[] = floats): Unary => {
  const operator = elementwise(name, onnx, types, gradient);
  return (x) => apply(operator, [x]);
};

/** Two operands, broadcast by name. A `Within<A>` operand leaves the axes of the other as they are; numbers take the other's type. */
interface Binary {
  <A extends string>(a: Tensor<A>, b: Within<A> | number): Tensor<A>;
  <A extends string>(a: Within<A> | number, b: Tensor<A>): Tensor<A>;
  <A extends string, B extends string>(a: Tensor<A>, b: Tensor<B>): Tensor<A | B>;
  <A extends string, B extends string>(a: Within<A>, b: Within<B>): Within<A | B>;
}
const binary = (
  name: string,
  onnx: string,
  gradient: Rule,
  types: readonly DType[] = numbers,
  result?: DType,
): Binary => {
  const operator = elementwise(name, onnx, types, gradient, result);
  const lift = (value: Within<string> | number, other: Within<string> | number) =>
    typeof value === 'number' ? scalar(value, (other as Within<string>).node.dtype) : value;
  return ((a: Within<string> | number, b: Within<string> | number) =>
    apply(operator, [lift(a, b), lift(b, a)])) as Binary;
};

export const negate = unary('negate', 'Neg', (g) => [negate(g)], numbers);
/** The gradient at 0 is 0. */
export const absolute = unary(
  'absolute',
  'Abs',
  (g, [x]) => [select(less(x!, 0), negate(g), select(less(0, x!), g, 0))],
  numbers,
);
export const exp = unary('exp', 'Exp', (g, _, y) => [multiply(g, y)]);
export const log = unary('log', 'Log', (g, [x]) => [divide(g, x!)]);
export const sqrt = unary('sqrt', 'Sqrt', (g, _, y) => [divide(multiply(g, 0.5), y)]);
export const cos = unary('cos', 'Cos', (g, [x]) => [multiply(g, negate(sin(x!)))], ['float32']);
export const sin = unary('sin', 'Sin', (g, [x]) => [multiply(g, cos(x!))], ['float32']);
export const tanh = unary('tanh', 'Tanh', (g, _, y) => [multiply(g, subtract(1, multiply(y, y)))]);
export const sigmoid = unary('sigmoid', 'Sigmoid', (g, _, y) => [multiply(g, multiply(y, subtract(1, y)))]);
const siluOperator: Operator = {
  ...elementwise('silu', 'Sigmoid', ['float32'], (g, [x], y) => {
    const s = sigmoid(x!);
    return [multiply(g, add(s, subtract(y, multiply(s, y))))];
  }),
  lower(node, lowering) {
    const { name, layout } = lowering.get(node.inputs[0]!);
    return { name: lowering.value('Mul', [name, lowering.value('Sigmoid', [name])]), layout };
  },
};
/** x · σ(x), 1702.03118. */
export const silu: Unary = (x) => apply(siluOperator, [x]);
/** The gradient at 0 is 0. */
export const relu = unary('relu', 'Relu', (g, [x]) => [select(less(0, x!), g, 0)]);
/** Gauss error function. */
export const erf = unary(
  'erf',
  'Erf',
  (g, [x]) => [multiply(g, multiply(exp(negate(multiply(x!, x!))), 2 / Math.sqrt(Math.PI)))],
  ['float32'],
);
/** Logical complement. */
export const not = unary('not', 'Not', flat, ['bool']);

export const add = binary('add', 'Add', (g) => [g, g]);
export const subtract = binary('subtract', 'Sub', (g) => [g, negate(g)]);
export const multiply = binary('multiply', 'Mul', (g, [a, b]) => [multiply(g, b!), multiply(g, a!)]);
export const divide = binary('divide', 'Div', (g, [, b], y) => [divide(g, b!), negate(multiply(g, divide(y, b!)))]);
/** Where both are equal the gradient flows to the first. */
export const minimum = binary('minimum', 'Min', (g, [a, b]) => choose(lessOrEqual(a!, b!), g));
/** Where both are equal the gradient flows to the first. */
export const maximum = binary('maximum', 'Max', (g, [a, b]) => choose(lessOrEqual(b!, a!), g));
/** a to the power b. Where a is 0 the gradient with respect to b is 0; where a is negative it is NaN. */
export const power = binary(
  'power',
  'Pow',
  (g, [a, b], y) => [slope(g, a!, b!), multiply(g, select(equal(a!, 0), 0, multiply(y, log(a!)) as Tensor<string>))],
  floats,
);
/** g · b · a^(b − 1), without a power where the exponent is written as 0, 1 or 2, and 0 wherever b is 0. */
function slope(g: Tensor<string>, a: Tensor<string>, b: Tensor<string>): Tensor<string> {
  const exponent = numberOf(b);
  if (exponent === undefined)
    return multiply(g, select(equal(b, 0), 0, multiply(b, power(a, subtract(b, 1))) as Tensor<string>));
  const scaled = exponent === 1 ? g : multiply(g, exponent);
  if (exponent === 0 || exponent === 1) return scaled;
  return multiply(scaled, exponent === 2 ? a : power(a, exponent - 1));
}
export const less = binary('less', 'Less', flat, numbers, 'bool');
export const lessOrEqual = binary('lessOrEqual', 'LessOrEqual', flat, numbers, 'bool');
export const equal = binary('equal', 'Equal', flat, numbers, 'bool');
export const and = binary('and', 'And', flat, ['bool']);
export const or = binary('or', 'Or', flat, ['bool']);

const choose = (first: Tensor<string>, g: Tensor<string>) => [select(first, g, 0), select(first, 0, g)];

const remainderOperator: Operator = {
  ...elementwise('remainder', 'Mod', floats, (g) => [g, undefined]),
  lower(node, lowering) {
    const layout = lowering.common(node.inputs);
    const operands = node.inputs.map((input) => operand(lowering, input, layout));
    return { name: lowering.value('Mod', operands, { fmod: 1 }), layout };
  },
};
/** a − b · trunc(a / b), with the sign of a. */
export function remainder<A extends string>(a: Tensor<A>, b: number): Tensor<A> {
  return apply(remainderOperator, [a, scalar(b, a.node.dtype)]);
}

const selectOperator: Operator = {
  name: 'select',
  broadcasts: true,
  gradient: (g, [condition]) => [undefined, select(condition!, g, 0), select(condition!, 0, g)],
  infer(inputs) {
    const [condition, yes, no] = inputs as [Node, Node, Node];
    expectType('select', condition, 'bool');
    expectType('select', yes, ...numbers);
    if (yes.dtype !== no.dtype) throw new ShapeError(`select: the two choices are ${yes.dtype} and ${no.dtype}`);
    return { axes: union('select', inputs), dtype: yes.dtype };
  },
  lower(node, lowering) {
    const layout = lowering.common(node.inputs);
    return {
      name: lowering.value(
        'Where',
        node.inputs.map((input) => operand(lowering, input, layout)),
      ),
      layout,
    };
  },
};
/**
 * `yes` where the condition holds, else `no`. The condition may be broadcast to the axes of the choices. A choice that is not taken gets
 * gradient 0, which its own rule may multiply by an infinite slope: 0 · ∞ is NaN. So choose before such a function too:
 * `select(c, log(select(c, x, 1)), 0)` rather than `select(c, log(x), 0)`.
 */
export function select<A extends string>(condition: Within<A>, yes: Tensor<A>, no: Within<A> | number): Tensor<A>;
export function select<A extends string>(condition: Within<A>, yes: number, no: Tensor<A>): Tensor<A>;
export function select<A extends string>(condition: Tensor<A>, yes: number, no: Within<A> | number): Tensor<A>;
export function select(condition: Within<string>, yes: Within<string> | number, no: Within<string> | number): unknown {
  const dtype = typeof yes !== 'number' ? yes.node.dtype : typeof no !== 'number' ? no.node.dtype : 'float32';
  const lift = (value: Within<string> | number) => (typeof value === 'number' ? scalar(value, dtype) : value);
  return apply(selectOperator, [condition, lift(yes), lift(no)]);
}

const castOperator: Operator = {
  name: 'cast',
  gradient: (g, [x]) => [x!.node.dtype.startsWith('float') ? cast(g, x!.node.dtype) : undefined],
  infer: ([x], { to }) => ({ axes: x!.axes, dtype: to as DType }),
  lower(node, lowering) {
    const { name, layout } = lowering.get(node.inputs[0]!);
    return { name: lowering.value('Cast', [name], { to: elementTypes[node.dtype] }), layout };
  },
};
/** The same values as another element type. */
export function cast<A extends string>(x: Tensor<A>, to: DType): Tensor<A> {
  return x.node.dtype === to ? x : apply(castOperator, [x], { to });
}
