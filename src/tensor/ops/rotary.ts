import { ShapeError } from '../../error.ts';
import { Dim } from '../dim.ts';
import { apply, expectType, type Operator } from '../operator.ts';
import { describe, type Tensor, type Within } from '../tensor.ts';
import { negate } from './elementwise.ts';

/** The axis along which positions change, when a table of angles is one for each text and position. */
const placeAxis = (table: Within<string>) => [...table.node.axes.keys()].filter((axis) => axis !== 'B' && axis !== 'I');

/** Can x be turned by these tables in one operator? They are [T, I] or [B, T, I] (or S for T), and x has B. */
export function canTurn(x: Within<string>, cosines: Within<string>): boolean {
  const places = placeAxis(cosines);
  return places.length === 1 && x.node.axes.has('B') && x.node.axes.has(places[0]!);
}

const rotaryOperator: Operator = {
  name: 'rotary',
  infer([x, cosines, sines]) {
    for (const input of [x!, cosines!, sines!]) expectType('rotary', input, 'float32');
    const width = x!.size('D', 'rotary').constant;
    const pairs = cosines!.size('I', 'rotary').constant;
    if (!canTurn(x!, cosines!) || width === undefined || pairs === undefined || 2 * pairs > width)
      throw new ShapeError(`rotary: cannot turn ${describe(x!)} by ${describe(cosines!)}`);
    return { axes: x!.axes, dtype: 'float32' };
  },
  lower(node, lowering) {
    const [x, cosines] = node.inputs;
    const [place] = placeAxis(cosines!) as [string];
    const heads = lowering
      .get(x!)
      .layout.filter((axis) => axis !== null && !['B', place, 'D'].includes(axis)) as string[];
    const order = ['B', place, ...heads, 'D'];
    const from = order.map((axis) => x!.size(axis));
    const [B, T] = from as [Dim, Dim];
    const count = heads.reduce((product, axis) => product * x!.size(axis).evaluate({}), 1);
    const [width, pairs] = [x!.size('D').evaluate({}), cosines!.size('I').evaluate({})];
    const flat = [B, T, Dim.of(count * width)];
    const tables = node.inputs.slice(1).map((table) => {
      const name = lowering.arrange(lowering.get(table), table.axes.has('B') ? ['B', place, 'I'] : [place, 'I']);
      return table.axes.has('B') ? name : lowering.value('Expand', [name, lowering.shape([B, T, Dim.of(pairs)])]);
    });
    const given = lowering.reshape(lowering.arrange(lowering.get(x!), order), from, flat);
    const turned = lowering.value('RotaryEmbedding', [given, ...tables], {
      num_heads: count,
      rotary_embedding_dim: 2 * pairs === width ? 0 : 2 * pairs,
    });
    return { name: lowering.reshape(turned, flat, from), layout: order };
  },
  gradient: (upstream, [, cosines, sines]) => [
    apply(rotaryOperator, [upstream, cosines!, negate(sines!)]),
    undefined,
    undefined,
  ],
};

/**
 * Turns the pairs (i, i + I) of the first 2 · I components along D: x_i c_i − x_{i+I} s_i and x_{i+I} c_i + x_i s_i; the others stay.
 * No gradient flows into the tables.
 */
export function rotary<A extends string>(x: Tensor<A>, cosines: Within<A | 'I'>, sines: Within<A | 'I'>): Tensor<A> {
  return apply(rotaryOperator, [x, cosines, sines]);
}
