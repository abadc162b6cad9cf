import { ShapeError } from '../../error.ts';
import { apply, type Operator } from '../operator.ts';
import { describe, type Tensor } from '../tensor.ts';

const rollOperator: Operator = {
  name: 'roll',
  infer([x], { axis, by }) {
    const size = x!.size(axis as string, 'roll').constant;
    if (size === undefined) throw new ShapeError(`roll: axis ${axis} of ${describe(x!)} must have a fixed size`);
    if (!Number.isSafeInteger(by)) throw new ShapeError(`roll: expected a whole number of places, got ${by}`);
    return { axes: x!.axes, dtype: x!.dtype };
  },
  lower(node, lowering) {
    const { name, layout } = lowering.get(node.inputs[0]!);
    const { axis, by } = node.attributes;
    const size = node.size(axis as string).constant!;
    // The last `moved` places come first.
    const moved = size === 0 ? 0 : (((by as number) % size) + size) % size;
    if (moved === 0) return { name, layout };
    const place = layout.indexOf(axis as string);
    const [kept, first] = lowering.emit(
      'Split',
      [name, lowering.integers([size - moved, moved])],
      { axis: place },
      2,
    ) as [string, string];
    return { name: lowering.value('Concat', [first, kept], { axis: place }), layout };
  },
  gradient: (upstream, _, __, { axis, by }) => [
    upstream.node.axes.has(axis as string) ? roll(upstream, axis as string, -(by as number)) : upstream,
  ],
};

/** Values moved along an axis of fixed size, those beyond its end to its start: place i holds what place i − by held. */
export function roll<A extends string, const K extends A>(x: Tensor<A>, axis: K, by: number): Tensor<A> {
  return apply(rollOperator, [x], { axis, by });
}
