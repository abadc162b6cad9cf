import { ShapeError } from '../../error.ts';
import type { Layout, Lowering, Placed } from '../lowering.ts';
import { elementTypes } from '../onnx.ts';
import { apply, expectType, type Operator, union } from '../operator.ts';
import type { DType, Node, Tensor, Within } from '../tensor.ts';
import { scalar } from './source.ts';

/** The operand ready for broadcasting against a layout: leading dimensions of size one are left out. */
function operand(lowering: Lowering, node: Node, layout: Layout): string {
  const place = lowering.get(node);
  if (place.layout.length === layout.length && place.layout.every((axis, i) => axis === layout[i])) return place.name;
  const target = layout.map((axis) => (axis !== null && place.layout.includes(axis) ? axis : null));
  const first = target.findIndex((axis) => axis !== null);
  return lowering.arrange(place, first < 0 ? [] : target.slice(first));
}

function elementwise(name: string, onnx: string, types: readonly DType[], result?: DType): Operator {
  return {
    name,
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
const unary = (name: string, onnx: string, types: readonly DType[] = floats): Unary => {
  const operator = elementwise(name, onnx, types);
  return (x) => apply(operator, [x]);
};

/** Two operands, broadcast by name. A `Within<A>` operand leaves the axes of the other as they are; numbers take the other's type. */
interface Binary {
  <A extends string>(a: Tensor<A>, b: Within<A> | number): Tensor<A>;
  <A extends string>(a: Within<A> | number, b: Tensor<A>): Tensor<A>;
  <A extends string, B extends string>(a: Tensor<A>, b: Tensor<B>): Tensor<A | B>;
  <A extends string, B extends string>(a: Within<A>, b: Within<B>): Within<A | B>;
}
const binary = (name: string, onnx: string, types: readonly DType[] = numbers, result?: DType): Binary => {
  const operator = elementwise(name, onnx, types, result);
  const lift = (value: Within<string> | number, other: Within<string> | number) =>
    typeof value === 'number' ? scalar(value, (other as Within<string>).node.dtype) : value;
  return ((a: Within<string> | number, b: Within<string> | number) =>
    apply(operator, [lift(a, b), lift(b, a)])) as Binary;
};

export const negate = unary('negate', 'Neg', numbers);
export const absolute = unary('absolute', 'Abs', numbers);
export const exp = unary('exp', 'Exp');
export const log = unary('log', 'Log');
export const sqrt = unary('sqrt', 'Sqrt');
export const cos = unary('cos', 'Cos', ['float32']);
export const sin = unary('sin', 'Sin', ['float32']);
export const tanh = unary('tanh', 'Tanh');
export const sigmoid = unary('sigmoid', 'Sigmoid');
export const relu = unary('relu', 'Relu');
/** Gauss error function. */
export const erf = unary('erf', 'Erf', ['float32']);
/** Logical complement. */
export const not = unary('not', 'Not', ['bool']);

export const add = binary('add', 'Add');
export const subtract = binary('subtract', 'Sub');
export const multiply = binary('multiply', 'Mul');
export const divide = binary('divide', 'Div');
export const minimum = binary('minimum', 'Min');
export const maximum = binary('maximum', 'Max');
export const power = binary('power', 'Pow', floats);
export const less = binary('less', 'Less', numbers, 'bool');
export const lessOrEqual = binary('lessOrEqual', 'LessOrEqual', numbers, 'bool');
export const equal = binary('equal', 'Equal', numbers, 'bool');
export const and = binary('and', 'And', ['bool']);
export const or = binary('or', 'Or', ['bool']);

const remainderOperator: Operator = {
  ...elementwise('remainder', 'Mod', floats),
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
/** `yes` where the condition holds, else `no`. The condition may be broadcast to the axes of the choices. */
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
