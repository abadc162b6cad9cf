import type { HostTensor } from '../../src/runtime/backend.ts';
import type { DType } from '../../src/tensor/index.ts';

export type Index = Readonly<Record<string, number>>;

/** Plain numbers over named axes: what the loop references compute with. */
export interface Named {
  readonly sizes: Index;
  at(index: Index): number;
}

/** Numbers by a formula over every combination of indices; `at` ignores indices of other axes. */
export function table(sizes: Index, value: (index: Index) => number): Named {
  const axes = Object.keys(sizes);
  const place = (index: Index) => axes.reduce((sum, axis) => sum * sizes[axis]! + index[axis]!, 0);
  const data = new Float64Array(axes.reduce((product, axis) => product * sizes[axis]!, 1));
  each(sizes, (index) => {
    data[place(index)] = value(index);
  });
  return { sizes, at: (index) => data[place(index)]! };
}

/** Calls back for every combination of indices. The index object is reused. */
export function each(sizes: Index, visit: (index: Record<string, number>) => void): void {
  const axes = Object.keys(sizes);
  const index: Record<string, number> = {};
  const walk = (depth: number) => {
    const axis = axes[depth];
    if (axis === undefined) return visit(index);
    for (let i = 0; i < sizes[axis]!; i++) {
      index[axis] = i;
      walk(depth + 1);
    }
  };
  walk(0);
}

/** The sizes without some axes. */
export const without = (sizes: Index, ...axes: string[]): Index =>
  Object.fromEntries(Object.entries(sizes).filter(([axis]) => !axes.includes(axis)));

/** Σ over the given axes, as a loop. */
export function total(sizes: Index, over: readonly string[], term: (index: Index) => number): Named {
  const inner = Object.fromEntries(over.map((axis) => [axis, sizes[axis]!]));
  return table(without(sizes, ...over), (outer) => {
    let sum = 0;
    each(inner, (index) => {
      sum += term({ ...outer, ...index });
    });
    return sum;
  });
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  bool: Uint8Array,
};

/** The numbers as they are fed, in the given order. */
export function host(named: Named, order: readonly string[], type: DType): HostTensor {
  const values: number[] = [];
  each(Object.fromEntries(order.map((axis) => [axis, named.sizes[axis] ?? 1])), (index) =>
    values.push(named.at(index)),
  );
  const shape = order.map((axis) => named.sizes[axis] ?? 1);
  const data = type === 'int64' ? new BigInt64Array(values.map(BigInt)) : new arrays[type](values);
  return { type, shape, data };
}

/** What came out, by name of axis. */
export function named({ shape, data }: HostTensor, order: readonly string[]): Named {
  const sizes = Object.fromEntries(order.map((axis, i) => [axis, shape[i]!]));
  let i = 0;
  return table(sizes, () => Number(data[i++]!));
}

/** The first place where two tables differ by more than tolerance · max(1, |expected|), else undefined. */
export function difference(got: Named, expected: Named, tolerance: number): string | undefined {
  const axes = (x: Named) => JSON.stringify(Object.entries(x.sizes).sort(([a], [b]) => (a < b ? -1 : 1)));
  if (axes(got) !== axes(expected)) return `axes ${axes(got)}, expected ${axes(expected)}`;
  let found: string | undefined;
  each(expected.sizes, (index) => {
    const [a, b] = [got.at(index), expected.at(index)];
    const equal = Object.is(a, b) || a === b || Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b));
    if (!equal) found ??= `at ${JSON.stringify(index)}: ${a}, expected ${b}`;
  });
  return found;
}

export const map = (x: Named, f: (value: number) => number) => table(x.sizes, (i) => f(x.at(i)));
export const zip = (a: Named, b: Named, f: (a: number, b: number) => number) =>
  table({ ...a.sizes, ...b.sizes }, (i) => f(a.at(i), b.at(i)));
export const fold = (x: Named, over: string, start: number, f: (a: number, b: number) => number) =>
  table(without(x.sizes, over), (outer) => {
    let value = start;
    for (let i = 0; i < x.sizes[over]!; i++) value = f(value, x.at({ ...outer, [over]: i }));
    return value;
  });
export const average = (x: Named, ...over: string[]) => {
  const count = over.reduce((product, axis) => product * x.sizes[axis]!, 1);
  return map(
    total(x.sizes, over, (i) => x.at(i)),
    (value) => value / count,
  );
};
export const soft = (x: Named, axis: string) => {
  const top = fold(x, axis, Number.NEGATIVE_INFINITY, Math.max);
  const shifted = table(x.sizes, (i) => Math.exp(x.at(i) - top.at(i)));
  const sums = fold(shifted, axis, 0, (a, b) => a + b);
  return table(x.sizes, (i) => shifted.at(i) / sums.at(i));
};
