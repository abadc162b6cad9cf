import { apply, expectType, type Operator, union } from '../operator.ts';
import type { Node, Tensor, Within } from '../tensor.ts';

const fusedAttentionOperator: Operator = {
  name: 'fusedAttention',
  infer(inputs) {
    for (const input of inputs) expectType('fusedAttention', input, 'float32');
    const axes = union('fusedAttention', inputs);
    axes.delete('S');
    return { axes, dtype: 'float32' };
  },
  lower(node, lowering) {
    const [q, k, v, mask] = node.inputs as [Node, Node, Node, Node];
    const heads = ['G', 'R', 'T', 'D'].map((axis) => q.size(axis));
    const flat = [q.size('B'), q.size('G').times(q.size('R')), q.size('T'), q.size('D')];
    const query = lowering.reshape(
      lowering.arrange(lowering.get(q), ['B', 'G', 'R', 'T', 'D']),
      [q.size('B'), ...heads],
      flat,
    );
    const [key, value] = [k, v].map((x) => lowering.arrange(lowering.get(x), ['B', 'G', 'S', 'D']));
    const added = lowering.arrange(lowering.get(mask), mask.axes.has('B') ? ['B', null, 'T', 'S'] : ['T', 'S']);
    // The operator broadcasts a mask over prompts and heads, not over queries or keys.
    const whole = mask.axes.has('T') && mask.axes.has('S');
    const bias = whole ? added : lowering.value('Expand', [added, lowering.shape([q.size('T'), k.size('S')])]);
    const name = lowering.value('Attention', [query, key!, value!, bias], {
      scale: { float: node.attributes.scale as number },
    });
    return { name: lowering.reshape(name, flat, [q.size('B'), ...heads]), layout: ['B', 'G', 'R', 'T', 'D'] };
  },
  gradient: { none: 'the watched steps are differentiated instead' },
};

/** softmax(q · k · scale + mask) · v in one standard operator, for when nothing inside is read, edited or differentiated. */
export function fusedAttention(
  q: Tensor<'B' | 'T' | 'G' | 'R' | 'D'>,
  k: Tensor<'B' | 'S' | 'G' | 'D'>,
  v: Tensor<'B' | 'S' | 'G' | 'D'>,
  mask: Within<'B' | 'T' | 'S'>,
  scale: number,
): Tensor<'B' | 'T' | 'G' | 'R' | 'D'> {
  return apply(fusedAttentionOperator, [q, k, v, mask], { scale });
}
