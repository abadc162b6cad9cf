import { afterAll, expect, it } from 'vitest';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { canonical, type DType, input, lower, type Output, pick, type Tensor } from '../../src/tensor/index.ts';
import { difference, host, type Index, type Named, named, table } from './reference.ts';

export type Words<S extends string> = S extends `${infer A}:${string}`
  ? Words<A>
  : S extends `${infer A} ${infer B}`
    ? Words<A> | Words<B>
    : S extends ''
      ? never
      : S;
export type Tensors<O extends readonly string[]> = { [I in keyof O]: Tensor<Words<O[I]>> };
type Tables<O extends readonly string[]> = { [I in keyof O]: Named };

/** Sizes of the axes that are dynamic in one half of the programs, by run. */
export const runs: readonly Index[] = [
  { B: 1, T: 1, S: 1 },
  { B: 3, T: 2, S: 5 },
  { B: 1, T: 63, S: 65 },
  { B: 3, T: 65, S: 2 },
];
export const fixed: Index = { G: 2, R: 3, D: 4, M: 6, F: 5, V: 7, E: 4, H: 6, J: 2, I: 3, P: 12 };

/** Ways to lie in memory: a permutation of the axes, and where a dimension of size one that stands for no axis is left behind. */
export const lies: readonly { order(axes: readonly string[]): string[]; gap?(length: number): number }[] = [
  { order: (axes) => [...axes] },
  { order: (axes) => [...axes].reverse(), gap: () => 0 },
  { order: (axes) => [...axes.slice(1), ...axes.slice(0, 1)], gap: (length) => length >> 1 },
  { order: (axes) => canonical(axes), gap: (length) => length },
];

const kinds: Record<string, { type: DType; value(random: () => number): number }> = {
  float32: { type: 'float32', value: (random) => Math.fround(random() * 4 - 2) },
  float64: { type: 'float64', value: (random) => random() * 4 - 2 },
  positive: { type: 'float32', value: (random) => Math.fround(random() * 3 + 0.1) },
  extreme: { type: 'float32', value: (random) => Math.fround((random() * 2 - 1) * 1e4) },
  int64: { type: 'int64', value: (random) => Math.floor(random() * 9) - 4 },
  natural: { type: 'int64', value: (random) => Math.floor(random() * 7) },
  zero: { type: 'int64', value: () => 0 },
  bool: { type: 'bool', value: (random) => (random() < 0.5 ? 0 : 1) },
};

export const runtime = nodeRuntime({ threads: 1 });
afterAll(() => runtime.dispose());

/** Operators that have a value test. */
export const covered = new Set<string>();

export const generator = (seed: number) => () => {
  seed = (seed * 1664525 + 1013904223) >>> 0;
  return seed / 2 ** 32;
};

/**
 * One test: the function, built over operands that lie in memory in four ways, with B, T, S dynamic and fixed, against a reference in loops.
 * An operand is written as its axes and, after a colon, what it holds (default float32): `'B T S:bool'`.
 */
export function check<const O extends readonly string[]>(
  operator: string,
  title: string,
  operands: O,
  ours: (...tensors: Tensors<O>) => Tensor<never> | { readonly node: Tensor<never>['node'] },
  reference: (...tables: Tables<O>) => Named,
  tolerance = 1e-5,
): void {
  covered.add(operator);
  it(`${operator}: ${title}`, async () => {
    const specs = operands.map((text, i) => {
      const [letters, kind = 'float32'] = text.split(':');
      return { name: `x${i}`, axes: letters!.split(' ').filter((axis) => axis !== ''), ...kinds[kind]! };
    });
    const values = runs.map((run, r) =>
      specs.map(({ axes, value }, i) => {
        const random = generator(r * 31 + i + 1);
        const sizes = Object.fromEntries(axes.map((axis) => [axis, run[axis] ?? fixed[axis]!]));
        return table(sizes, () => value(random));
      }),
    );
    const expected = values.map((tables) => reference(...(tables as unknown as Tables<O>)));
    const build = (size: (axis: string) => number | string) => {
      const outputs: Record<string, Output> = {};
      lies.forEach(({ order, gap }, way) => {
        const tensors = specs.map(({ name, axes, type }) => {
          const lie = order(axes);
          if (gap) lie.splice(gap(axes.length), 0, 'Z');
          const sizes = Object.fromEntries(lie.map((axis) => [axis, axis === 'Z' ? 1 : size(axis)]));
          const x = input(`${name}_${way}`, sizes as Record<'Z', number>, type);
          return gap ? pick(x, 'Z', 0) : x;
        });
        const value = ours(...(tensors as unknown as Tensors<O>));
        outputs[`y${way}`] = { value, ...(way === 3 ? { order: canonical(value.node.axes.keys()).reverse() } : {}) };
      });
      return lower(outputs, { weights: 'inputs' });
    };
    const dynamic = build((axis) => (axis in runs[0]! ? axis : fixed[axis]!));
    const graphs = runs.map((run, r) => (r === 1 || r === 2 ? build((axis) => run[axis] ?? fixed[axis]!) : dynamic));
    for (const [r, tables] of values.entries()) {
      const feeds: Record<string, HostTensor> = {};
      specs.forEach(({ name, axes, type }, i) => {
        lies.forEach(({ order, gap }, way) => {
          const lie = order(axes);
          if (gap) lie.splice(gap(axes.length), 0, 'Z');
          feeds[`${name}_${way}`] = host(tables[i]!, lie, type);
        });
      });
      for (const graph of new Set([dynamic, graphs[r]!])) {
        const program = await runtime.compile(graph);
        const results = await program.run(feeds);
        const order = canonical(Object.keys(expected[r]!.sizes));
        lies.forEach((_, way) => {
          const got = named(results[`y${way}`]!, way === 3 ? [...order].reverse() : order);
          expect(
            difference(got, expected[r]!, tolerance),
            `${graph === dynamic ? 'dynamic' : 'fixed'} sizes, layout ${way}, run ${r}`,
          ).toBeUndefined();
        });
      }
    }
  });
}
