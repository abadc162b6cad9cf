import { ShapeError } from '../../error.ts';
import { Dim } from '../dim.ts';
import type { BlockStorage, Lowering, Placed, StoredBytes } from '../lowering.ts';
import type { Node } from '../tensor.ts';

/** The matrix of a weight in blocks: N rows of K values, both whole groups of its axes. */
interface BlockMatrix {
  readonly storage: BlockStorage;
  readonly name: string;
  readonly rows: readonly string[];
  readonly N: number;
  readonly K: number;
}

const fixed = (node: Node, axes: readonly string[]) =>
  axes.reduce((product, axis) => product * node.size(axis).evaluate({}), 1);

function blockMatrix(node: Node, inner: readonly string[], lowering: Lowering, what: string): BlockMatrix {
  const place = lowering.get(node);
  const storage = lowering.blocksOf(place)!;
  const layout = place.layout as readonly string[];
  const rows = layout.slice(0, layout.length - inner.length);
  const [N, K] = [fixed(node, rows), fixed(node, inner)];
  if (rows.some((axis) => inner.includes(axis)) || K % storage.block !== 0)
    throw new ShapeError(
      `${what}: weight ${node.attributes.name} [${layout}] is stored in blocks of ${storage.block} along its last axes, which cannot be used along ${inner.join(' and ')} of size ${K}`,
    );
  return { storage, name: place.name, rows, N, K };
}

/**
 * Weights that one value is multiplied with along the same axes, in the order of the products: when their blocks lie one behind the other
 * they are one matrix, and one product does for all.
 */
export function productsOf(x: Node, over: readonly string[], users: readonly Node[]): Node[] {
  const weights = users
    .filter(({ operator, attributes }) => operator.name === 'dot' && sameAxes(attributes.over as string[], over))
    .map(({ inputs }) => inputs[inputs[0] === x ? 1 : 0]!)
    .filter(
      ({ operator, axes }) =>
        operator.name === 'weight' && ![...x.axes.keys()].some((axis) => axes.has(axis) && !over.includes(axis)),
    );
  return [...new Map(weights.map((weight) => [weight.attributes.name as string, weight])).values()];
}

const sameAxes = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((axis) => b.includes(axis));

/** The matrices whose blocks follow each other, this one among them; alone where its neighbours are of another kind. */
function joined(matrix: BlockMatrix, others: readonly BlockMatrix[]): readonly BlockMatrix[] {
  const parts = ['codes', 'scales', 'offsets'] as const;
  const follows = (a: BlockStorage, b: BlockStorage) =>
    a.bits === b.bits &&
    a.block === b.block &&
    a.activations === b.activations &&
    parts.every((part) => {
      const [x, y] = [a[part], b[part]];
      return x && y ? x.location === y.location && x.offset + x.length === y.offset : x === y;
    });
  const all = others.every(
    ({ storage, K }, i) => K === matrix.K && (i === 0 || follows(others[i - 1]!.storage, storage)),
  );
  return all && others.length > 1 ? others : [matrix];
}

const together = (matrices: readonly BlockMatrix[], part: 'codes' | 'scales' | 'offsets'): StoredBytes => ({
  ...matrices[0]!.storage[part]!,
  length: matrices.reduce((total, { storage }) => total + storage[part]!.length, 0),
});

/** One number a block, of matrices that lie one behind the other. */
const perBlock = (matrices: readonly BlockMatrix[], part: 'scales' | 'offsets', lowering: Lowering) =>
  lowering.stored(
    `${matrices.map(({ name }) => name).join(' ')} ${part}`,
    'float32',
    [matrices.reduce((total, { N }) => total + N, 0), matrices[0]!.K / matrices[0]!.storage.block],
    together(matrices, part),
  );

/** x · Wᵀ for a weight in blocks. Offsets, one for a block, meet the sum of the block's inputs. */
export function blockProduct(x: Node, weight: Node, over: readonly string[], lowering: Lowering): Placed {
  const innerOf = (one: Node) =>
    (lowering.lower(one).layout as readonly string[]).filter((axis) => over.includes(axis));
  const inner = innerOf(weight);
  const matrix = blockMatrix(weight, inner, lowering, 'dot');
  const placed = lowering.get(x);
  const outer = placed.layout.filter((axis): axis is string => axis !== null && !over.includes(axis));
  const shared = outer.filter((axis) => weight.axes.has(axis));
  if (shared.length > 0)
    throw new ShapeError(
      `dot: weight ${weight.attributes.name} is stored in blocks and shares axis ${shared[0]} with what it is multiplied with`,
    );
  const beside = productsOf(x, over, lowering.usersOf(x)).filter((one) => lowering.blocksOf(lowering.lower(one)));
  const alike = beside.every((one) => innerOf(one).join() === inner.join());
  const matrices = joined(matrix, alike ? beside.map((one) => blockMatrix(one, inner, lowering, 'dot')) : []);
  const dims = (axes: readonly string[], node: Node) => axes.map((axis) => node.size(axis));
  const before = dims(outer, x);
  const order = [...outer, ...inner];
  const a = lowering.reshape(lowering.arrange(placed, order), dims(order, x), [...before, Dim.of(matrix.K)]);
  const all = product(a, before, matrices, lowering);
  const part = matrices.findIndex(({ name }) => name === matrix.name);
  const { rows, N } = matrix;
  return {
    name: lowering.reshape(all[part]!, [...before, Dim.of(N)], [...before, ...dims(rows, weight)]),
    layout: [...outer, ...rows],
  };
}

/** The product of [.., K] with each matrix, made at once. */
function product(
  a: string,
  before: readonly Dim[],
  matrices: readonly BlockMatrix[],
  lowering: Lowering,
): readonly string[] {
  const { storage, K } = matrices[0]!;
  const { bits, block, activations = 'int8', offsets } = storage;
  const name = matrices.map((one) => one.name).join(' ');
  const N = matrices.reduce((total, one) => total + one.N, 0);
  const codes = lowering.stored(
    `${name} codes`,
    'uint8',
    [N, K / block, (block * bits) / 8],
    together(matrices, 'codes'),
  );
  let y = lowering.value(
    'MatMulNBits',
    [a, codes, perBlock(matrices, 'scales', lowering)],
    { K, N, bits, block_size: block, accuracy_level: activations === 'int8' ? 4 : 1 },
    'com.microsoft',
  );
  if (offsets) {
    const parts = lowering.reshape(a, [...before, Dim.of(K)], [...before, Dim.of(K / block), Dim.of(block)]);
    const sums = lowering.value('ReduceSum', [parts, lowering.integers([before.length + 1])], { keepdims: 0 });
    const turned = lowering.value('Transpose', [perBlock(matrices, 'offsets', lowering)], { perm: [1, 0] });
    y = lowering.value('Add', [y, lowering.value('MatMul', [sums, turned])]);
  }
  if (matrices.length === 1) return [y];
  const sizes = lowering.integers(matrices.map((one) => one.N));
  return lowering.emit('Split', [y, sizes], { axis: before.length }, matrices.length);
}

/** Rows of a weight in blocks by their ids. */
export function blockRows(weight: Node, ids: Placed, idsNode: Node, axis: string, lowering: Lowering): Placed {
  const layout = lowering.get(weight).layout as readonly string[];
  if (layout[0] !== axis)
    throw new ShapeError(
      `gather: weight ${weight.attributes.name} is stored in blocks; only rows of its first axis can be read`,
    );
  const inner = layout.slice(1);
  const matrix = blockMatrix(weight, inner, lowering, 'gather');
  const { storage, name, N, K } = matrix;
  const { bits, block } = storage;
  const codes = lowering.stored(`${name} rows`, 'uint8', [N, (K * bits) / 8], storage.codes);
  const scaled = lowering.value(
    'GatherBlockQuantized',
    [codes, ids.name, perBlock([matrix], 'scales', lowering)],
    { gather_axis: 0, quantize_axis: 1, block_size: block, bits },
    'com.microsoft',
  );
  let rows = scaled;
  if (storage.offsets) {
    const offsets = lowering.value('Gather', [perBlock([matrix], 'offsets', lowering), ids.name], { axis: 0 });
    const last = lowering.integers([-1]);
    const parts = lowering.value('Reshape', [
      scaled,
      lowering.integers([...ids.layout.map(() => 0), K / block, block]),
    ]);
    const moved = lowering.value('Add', [parts, lowering.value('Unsqueeze', [offsets, last])]);
    rows = lowering.value('Reshape', [moved, lowering.integers([...ids.layout.map(() => 0), K])]);
  }
  const outer = (ids.layout as readonly string[]).map((one) => idsNode.size(one));
  const to = [...outer, ...inner.map((one) => weight.size(one))];
  return { name: lowering.reshape(rows, [...outer, Dim.of(K)], to), layout: [...ids.layout, ...inner] };
}
