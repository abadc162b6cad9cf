import { fusedAttention } from '../../../src/tensor/index.ts';
import { check } from '../check.ts';
import { type Named, soft, table, total } from '../reference.ts';

const attend = (q: Named, k: Named, v: Named, mask: (index: Readonly<Record<string, number>>) => number) => {
  const all = { ...q.sizes, S: k.sizes.S! };
  const products = total(all, ['D'], (i) => q.at(i) * k.at(i));
  const pattern = soft(
    table(products.sizes, (i) => products.at(i) / 2 + mask(i)),
    'S',
  );
  return total(all, ['S'], (i) => pattern.at(i) * v.at(i));
};
const operands = ['B T G R D', 'B S G D', 'S B D G'] as const;

check(
  'fusedAttention',
  'adds a mask of every prompt',
  [...operands, 'B T S'],
  (q, k, v, m) => fusedAttention(q, k, v, m, 0.5),
  (q, k, v, m) => attend(q, k, v, (i) => m.at(i)),
  1e-4,
);
check(
  'fusedAttention',
  'adds a mask that all prompts share',
  [...operands, 'S T'],
  (q, k, v, m) => fusedAttention(q, k, v, m, 0.5),
  (q, k, v, m) => attend(q, k, v, (i) => m.at(i)),
  1e-4,
);
check(
  'fusedAttention',
  'adds a mask that all queries share',
  [...operands, 'B S'],
  (q, k, v, m) => fusedAttention(q, k, v, m, 0.5),
  (q, k, v, m) => attend(q, k, v, (i) => m.at(i)),
  1e-4,
);
check(
  'fusedAttention',
  'adds a mask by key alone',
  [...operands, 'S'],
  (q, k, v, m) => fusedAttention(q, k, v, m, 0.5),
  (q, k, v, m) => attend(q, k, v, (i) => m.at(i)),
  1e-4,
);
