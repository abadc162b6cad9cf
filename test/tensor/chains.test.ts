import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nodeRuntime } from '../../src/runtime/node.ts';
import {
  add,
  canonical,
  concat,
  dot,
  input,
  lower,
  maximum,
  mean,
  merge,
  negate,
  pick,
  rename,
  slice,
  softmax,
  split,
  type Tensor,
} from '../../src/tensor/index.ts';
import { average, difference, host, type Named, named, soft, table, total, without } from './reference.ts';

type Any = Tensor<'B'>;
/** A symbolic value beside its numbers. */
interface Pair {
  readonly value: Any;
  readonly numbers: Named;
}
const letters = ['B', 'T', 'S', 'M', 'D', 'G', 'H', 'P'];

/** One random step: an operator chosen by `kind`, its axis by `at`. A step that does not fit leaves the value as it is. */
function step({ value, numbers }: Pair, first: Pair, kind: number, at: number): Pair {
  const axes = Object.keys(numbers.sizes);
  const axis = axes[at % Math.max(1, axes.length)] as 'B' | undefined;
  const free = letters.find((letter) => !axes.includes(letter)) as 'T' | undefined;
  const other = axes[(at + 1) % Math.max(1, axes.length)] as 'B' | undefined;
  const fits = Object.entries(first.numbers.sizes).every(([name, size]) => (numbers.sizes[name] ?? size) === size);
  const count = axes.length > 5;
  if (axis === undefined || free === undefined || other === undefined) return { value, numbers };
  const size = numbers.sizes[axis]!;
  const renamed = (from: Named, name: string, to: string) =>
    table({ ...without(from.sizes, name), [to]: from.sizes[name]! }, (i) => from.at({ ...i, [name]: i[to]! }));
  switch (kind) {
    case 0:
      return { value: mean(value, axis) as never, numbers: average(numbers, axis) };
    case 1:
      return { value: softmax(value, axis), numbers: soft(numbers, axis) };
    case 2:
      return { value: negate(value), numbers: table(numbers.sizes, (i) => -numbers.at(i)) };
    case 3:
      if (!fits || count) break;
      return {
        value: maximum(first.value, value),
        numbers: table({ ...first.numbers.sizes, ...numbers.sizes }, (i) =>
          Math.max(first.numbers.at(i), numbers.at(i)),
        ),
      };
    case 4:
      return { value: rename(value, axis, free) as never, numbers: renamed(numbers, axis, free) };
    case 5:
      if (axis === other) break;
      return {
        value: merge(value, [axis, other], free) as never,
        numbers: table({ ...without(numbers.sizes, axis, other), [free]: size * numbers.sizes[other]! }, (i) =>
          numbers.at({
            ...i,
            [axis]: Math.floor(i[free]! / numbers.sizes[other]!),
            [other]: i[free]! % numbers.sizes[other]!,
          }),
        ),
      };
    case 6:
      if (size % 2 > 0 || count) break;
      return {
        value: split(value, axis, { [free as 'T']: 2, [axis as 'S']: size / 2 }) as never,
        numbers: table({ ...numbers.sizes, [free]: 2, [axis]: size / 2 }, (i) =>
          numbers.at({ ...i, [axis]: i[free]! * (size / 2) + i[axis]! }),
        ),
      };
    case 7:
      return {
        value: pick(value, axis, size - 1) as never,
        numbers: table(without(numbers.sizes, axis), (i) => numbers.at({ ...i, [axis]: size - 1 })),
      };
    case 8:
      return {
        value: slice(concat([value, negate(value)], axis), axis, 1, size + 1),
        numbers: table(numbers.sizes, (i) =>
          i[axis]! < size - 1 ? numbers.at({ ...i, [axis]: i[axis]! + 1 }) : -numbers.at({ ...i, [axis]: 0 }),
        ),
      };
    case 9: {
      if (axis === other || count) break;
      const turned = renamed(numbers, axis, free);
      return {
        value: dot(value, rename(value, axis, free) as never, other as never) as never,
        numbers: total({ ...numbers.sizes, ...turned.sizes }, [other], (i) => numbers.at(i) * turned.at(i)),
      };
    }
    case 10:
      return {
        value: add(value, mean(value, axis) as Tensor<never>),
        numbers: table(numbers.sizes, (i) => numbers.at(i) + average(numbers, axis).at(i)),
      };
  }
  return { value, numbers };
}

it('any chain of operators agrees with loops, whatever order its values lie in', async () => {
  await using runtime = nodeRuntime({ threads: 1 });
  const sizes = { B: 2, T: 3, M: 4 };
  const numbers = table(sizes, ({ B, T, M }) => Math.fround(Math.sin(B! * 12 + T! * 4 + M! * 1.7)));
  const feeds = { x: host(numbers, ['T', 'B', 'M'], 'float32') };
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 10 }), fc.nat(7)), { minLength: 1, maxLength: 7 });
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 4, maxLength: 4 }), async (chains) => {
      const start: Pair = { value: input('x', { T: 3, B: 2, M: 4 }) as never, numbers };
      const pairs = chains.map((chain) => chain.reduce((pair, [kind, at]) => step(pair, start, kind, at), start));
      const outputs = Object.fromEntries(pairs.map(({ value }, i) => [`y${i}`, { value }]));
      const results = await (await runtime.compile(lower(outputs, { weights: 'inputs' }))).run(feeds);
      pairs.forEach((pair, i) => {
        const order = canonical(Object.keys(pair.numbers.sizes));
        expect(difference(named(results[`y${i}`]!, order), pair.numbers, 1e-4)).toBeUndefined();
      });
      await runtime.release();
    }),
    { numRuns: 100, seed: 1 },
  );
});
