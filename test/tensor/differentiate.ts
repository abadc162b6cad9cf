import { expect, it } from 'vitest';
import type { HostTensor } from '../../src/runtime/backend.ts';
import {
  canonical,
  type DType,
  gradients,
  input,
  lower,
  mean,
  multiply,
  type Output,
  pick,
  sum,
  type Tensor,
} from '../../src/tensor/index.ts';
import { fixed, generator, lies, runtime, type Tensors } from './check.ts';
import { each, host, type Index, type Named, named, table } from './reference.ts';

/** Sizes of the axes that are dynamic in one half of the programs, by run. */
const runs: readonly Index[] = [
  { B: 1, T: 1, S: 1 },
  { B: 3, T: 2, S: 5 },
  { B: 1, T: 63, S: 2 },
];

const away = (random: () => number) => (0.25 + 1.75 * random()) * (random() < 0.5 ? -1 : 1);
/** What an operand may hold. Values stay away from 0, where some functions have a kink. */
const kinds: Record<string, { type: DType; value(random: () => number): number }> = {
  float64: { type: 'float64', value: away },
  float32: { type: 'float32', value: away },
  positive: { type: 'float64', value: (random) => 0.25 + 1.75 * random() },
  natural: { type: 'int64', value: (random) => Math.floor(random() * 7) },
  zero: { type: 'int64', value: () => 0 },
  bool: { type: 'bool', value: (random) => (random() < 0.5 ? 0 : 1) },
};

/** Operators that have a gradient test. */
export const differentiated = new Set<string>();

const sizeOf = (sizes: Index) => Object.values(sizes).reduce((a, b) => a * b, 1);

/**
 * One test: the gradients of three losses over a function (its sum, its mean, a weighted sum) with respect to every floating operand,
 * against central finite differences, with B, T, S dynamic and fixed and operands that lie in memory in four ways. An operand is written
 * as its axes and, after a colon, what it holds (default float64, where differences are good to 1e-7; float32 where the operator knows no other).
 */
export function differentiates<const O extends readonly string[]>(
  operator: string,
  title: string,
  operands: O,
  f: (...tensors: Tensors<O>) => { readonly node: Tensor<never>['node'] },
  tolerance?: number,
): void {
  differentiated.add(operator);
  it(`${operator}: ${title}`, async () => {
    const specs = operands.map((text, i) => {
      const [letters, kind = 'float64'] = text.split(':');
      return { name: `x${i}`, axes: letters!.split(' ').filter((axis) => axis !== ''), ...kinds[kind]! };
    });
    const single = specs.some(({ type }) => type === 'float32');
    const step = single ? 2 ** -7 : 1e-5;
    const limit = tolerance ?? (single ? 2e-3 : 1e-7);
    const wrt = specs.flatMap(({ type }, i) => (type.startsWith('float') ? [i] : []));

    /** The function and its gradients under one choice of sizes and of places in memory. */
    const build = (size: (axis: string) => number | string, way: number) => {
      const { order, gap } = lies[way]!;
      const tensors = specs.map(({ name, axes, type }) => {
        const lie = order(axes);
        if (gap) lie.splice(gap(axes.length), 0, 'Z');
        const sizes = Object.fromEntries(lie.map((axis) => [axis, axis === 'Z' ? 1 : size(axis)]));
        const x = input(name, sizes as Record<'Z', number>, type);
        return gap ? pick(x, 'Z', 0) : x;
      });
      const y = f(...(tensors as unknown as Tensors<O>)) as Tensor<string>;
      const axes = canonical(y.node.axes.keys());
      const weights = input('weights', Object.fromEntries(y.node.axes) as never, y.node.dtype);
      const losses = { sum: sum(y, axes), mean: mean(y, axes), weighted: sum(multiply(y, weights as never), axes) };
      const outputs: Record<string, Output> = { weighted: { value: losses.weighted }, y: { value: y } };
      for (const [kind, loss] of Object.entries(losses))
        (
          gradients(
            loss as Tensor<never>,
            wrt.map((i) => tensors[i]!),
          ) as Tensor<string>[]
        ).forEach((gradient, j) => {
          expect([...gradient.node.axes.keys()].sort(), kind).toEqual([...tensors[wrt[j]!]!.node.axes.keys()].sort());
          outputs[`${kind} ${j}`] = { value: gradient };
        });
      const program = lower(outputs, { weights: 'inputs' });
      const forward = lower({ y: { value: y } }, { weights: 'inputs' });
      return { program, forward, axes, stored: [...y.node.axes.keys()], order, gap, type: y.node.dtype };
    };

    let largest = 0;
    for (const [r, run] of runs.entries()) {
      const values = specs.map(({ axes, value }, i) => {
        const random = generator(r * 31 + i + 7);
        return table(Object.fromEntries(axes.map((axis) => [axis, run[axis] ?? fixed[axis]!])), () => value(random));
      });
      for (const dynamic of [true, false]) {
        const way = (r + (dynamic ? 0 : 2)) % lies.length;
        const built = build((axis) => (dynamic && axis in run ? axis : (run[axis] ?? fixed[axis]!)), way);
        const { program, forward, axes, stored, order, gap } = built;
        const feeds = (tables: readonly Named[]): Record<string, HostTensor> =>
          Object.fromEntries(
            specs.map(({ name, axes: letters, type }, i) => {
              const lie = order(letters);
              if (gap) lie.splice(gap(letters.length), 0, 'Z');
              return [name, host(tables[i]!, lie, type)];
            }),
          );
        const evaluate = await runtime.compile(forward);
        const at = async (tables: readonly Named[]) => named((await evaluate.run(feeds(tables))).y!, axes);
        const y = await at(values);
        const random = generator(r + 99);
        const weights = table(y.sizes, () => random() - 0.3);
        const upstream: Record<string, (index: Index) => number> = {
          sum: () => 1,
          mean: () => 1 / sizeOf(y.sizes),
          weighted: (index) => weights.at(index),
        };
        const found = await (await runtime.compile(program)).run({
          ...feeds(values),
          weights: host(weights, stored, built.type),
        });
        for (const [j, i] of wrt.entries()) {
          const x = values[i]!;
          const gradientOf = (kind: string) => named(found[`${kind} ${j}`]!, canonical(specs[i]!.axes));
          const got = Object.fromEntries(Object.keys(upstream).map((kind) => [kind, gradientOf(kind)]));
          for (const direction of directions(x.sizes)) {
            const moved = (sign: number) =>
              values.map((v, k) => (k === i ? table(x.sizes, (p) => v.at(p) + sign * step * direction.at(p)) : v));
            const [above, below] = [await at(moved(1)), await at(moved(-1))];
            for (const [kind, factor] of Object.entries(upstream)) {
              let [expected, actual] = [0, 0];
              each(y.sizes, (p) => {
                expected += (factor(p) * (above.at(p) - below.at(p))) / (2 * step);
              });
              each(x.sizes, (p) => {
                actual += got[kind]!.at(p) * direction.at(p);
              });
              largest = Math.max(largest, Math.abs(expected));
              const scale = Math.max(1, Math.abs(expected));
              if (!(Math.abs(actual - expected) <= limit * scale))
                expect.fail(
                  `d ${kind} / d operand ${i}: ${actual}, differences say ${expected} (${dynamic ? 'dynamic' : 'fixed'} sizes, layout ${way}, run ${r})`,
                );
            }
          }
        }
      }
    }
    expect(largest, 'the largest derivative').toBeGreaterThan(1e-3);
  });
}

/** Every element on its own when they are few, else ten random directions. */
function directions(sizes: Index): Named[] {
  const count = sizeOf(sizes);
  const found: Named[] = [];
  for (let n = 0; n < Math.min(count, 24); n++) {
    const random = generator(n + 5);
    let place = 0;
    found.push(count <= 24 ? table(sizes, () => (place++ === n ? 1 : 0)) : table(sizes, () => random() * 2 - 1));
    if (count > 24 && n === 9) break;
  }
  return found;
}
