import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openLocal } from '../../src/load/open-local.ts';
import type { TokenBatch } from '../../src/models/input.ts';
import { createModel, type Model } from '../../src/models/model.ts';
import { readsTokens, residualWidth, type TokenStack } from '../../src/models/stack.ts';
import {
  aBatch,
  differences,
  type Extent,
  everything,
  extentsOf,
  memoryOf,
  stacksOf,
  texts as textsOf,
  usual,
  type Values,
} from './batches.ts';
import { open, present } from './support.ts';

/** Lengths of three texts, what they are made of, and positions of their memories. */
const lengths = [13, 9, 1];
const seeds = [3, 5, 8];
const memories = [9, 6, 1];

const some = (stack: TokenStack, which: readonly number[]): TokenBatch => {
  const of = (values: readonly number[]) => which.map((b) => values[b]!);
  const { memory } = stack;
  return {
    ...textsOf(stack, of(lengths), of(seeds)),
    ...(memory ? { memory: memoryOf(stack, of(seeds), of(memories)) } : {}),
  };
};

describe.each(present)('%s', (_, folder) => {
  let model: Model;
  let stacks: ReturnType<typeof stacksOf>;
  let texts: ReturnType<typeof stacksOf>;
  const made = new Map<string, Promise<Values>>();
  beforeAll(async () => {
    model = await open(folder);
    stacks = stacksOf(model);
    texts = stacks.filter(([, { stack }]) => readsTokens(stack));
  });
  afterAll(() => model.dispose());

  /** What a stack gives for inputs of an extent. */
  const of = (part: string, one: Model, extent: Extent, watched: boolean, seeds: readonly number[] = [3, 5]) => {
    const key = `${part} ${extent} ${watched} ${seeds}`;
    const known = made.get(key) ?? everything(one, aBatch(one.stack, extent, seeds), watched);
    made.set(key, known);
    return known;
  };

  it('the watched and the fast lowering agree at every length and size', async () => {
    for (const [part, one] of stacks)
      for (const extent of extentsOf(one.stack)) {
        const far = differences(await of(part, one, extent, true), await of(part, one, extent, false));
        expect({ part, extent, far }).toEqual({ part, extent, far: [] });
      }
  });

  it('either spelling of the configuration gives the same numbers', async () => {
    const checkpoint = await openLocal(folder, { config: 'config.v5.json' });
    onTestFinished(() => checkpoint.close());
    // The same programs are compiled once.
    const others = new Map(stacksOf(createModel({ checkpoint, runtime: model.runtime })));
    for (const [part, one] of stacks)
      for (const watched of [false, true]) {
        const extent = extentsOf(one.stack).at(-1)!;
        const again = await everything(others.get(part)!, aBatch(one.stack, extent), watched);
        const far = differences(again, await of(part, one, extent, watched), 0);
        expect({ part, watched, far }).toEqual({ part, watched, far: [] });
      }
  });

  it('a batch equals what is alone', async () => {
    for (const [part, one] of stacks) {
      const alone = await of(part, one, usual(one.stack), true, [3]);
      for (const watched of [false, true]) {
        const both = await of(part, one, usual(one.stack), watched);
        const first = new Map([...both].map(([name, all]) => [name, all.subarray(0, alone.get(name)!.length)]));
        const far = differences(first, only(alone, first));
        expect({ part, watched, far }).toEqual({ part, watched, far: [] });
      }
    }
  });

  it('what comes later changes nothing before it, if and only if the stack is causal', async () => {
    for (const [part, one] of texts)
      for (const watched of [false, true])
        for (const [short, long] of [
          [1, 2],
          [13, 21],
        ] as const) {
          const whole = await of(part, one, short, watched);
          const streams = new Map(
            [...whole].filter(([name]) => /^((blocks\.\d+|ln_final)\.hook_out|logits)$/.test(name)),
          );
          const longer = await of(part, one, long, watched);
          const begun = new Map(
            [...streams].map(([name, { length }]) => [name, beginnings(longer.get(name)!, length)]),
          );
          const { causal = true } = one.stack;
          const far = differences(begun, streams);
          expect({ part, watched, short, far: causal ? far : far.length > 0 }).toEqual({
            ...{ part, watched, short },
            far: causal ? [] : true,
          });
        }
  });

  it('padding of text and memory changes no real position: streams, patterns and outputs', async () => {
    for (const [part, one] of texts) {
      const stack = one.stack as TokenStack;
      const alone = await Promise.all(
        lengths.map((_, b) => (b === 0 ? of(part, one, 13, true, [3]) : everything(one, some(stack, [b]), true))),
      );
      // As they are padded when they are made: decoders on the left, encoders on the right; the other side must not matter.
      const usual = stack.causal === false || stack.memory ? 'right' : 'left';
      for (const [watched, padding] of [
        [true, usual],
        [false, 'left'],
        [false, 'right'],
      ] as const) {
        const together = await everything(one, { ...some(stack, [0, 1, 2]), padding }, watched);
        for (const b of lengths.keys()) {
          const cut = realPart(stack, together, b, padding);
          const far = differences(cut, only(alone[b]!, cut));
          expect({ part, watched, padding, b, far }).toEqual({ part, watched, padding, b, far: [] });
        }
      }
    }
  });
});

/** The values that have the names of others. */
const only = (values: Values, names: Values): Values =>
  new Map([...names.keys()].map((name) => [name, values.get(name) ?? new Float32Array(0)]));

/** The first positions of two texts, as many values as these. */
function beginnings(of: Float32Array, length: number): Float32Array {
  const [first, second] = [0, of.length / 2].map((at) => of.subarray(at, at + length / 2));
  return Float32Array.of(...first!, ...second!);
}

/** The real positions of one text of a padded batch. Outputs are of the whole text, whose first token is looked for on the left. */
function realPart(stack: TokenStack, values: Values, b: number, padding: 'left' | 'right'): Values {
  const [T, length] = [lengths[0]!, lengths[b]!];
  const start = padding === 'left' ? T - length : 0;
  const { H, M } = stack.sizes;
  const along = (all: Float32Array, width: number) =>
    all.subarray((b * T + start) * width, (b * T + start + length) * width);
  const square = (all: Float32Array, S: number, from: number, keys: number) => {
    const kept = new Float32Array(H * length * keys);
    for (let row = 0; row < H * length; row++) {
      const at = ((b * H + Math.floor(row / length)) * T + start + (row % length)) * S + from;
      kept.set(all.subarray(at, at + keys), row * keys);
    }
    return kept;
  };
  const part = (name: string, all: Float32Array) => {
    if (name === 'logits') return along(all, all.length / lengths.length / T);
    if (name === 'ln_final.hook_out') return along(all, M);
    if (name.endsWith('.cross_attn.hook_pattern')) return square(all, memories[0]!, 0, memories[b]!);
    if (name.endsWith('.hook_sink')) return square(all, 1, 0, 1);
    if (name.includes('.attn.')) return square(all, T, start, length);
    if (name.startsWith('blocks.')) return along(all, residualWidth(stack.sizes));
    const each = all.length / lengths.length;
    return padding === 'right' ? all.subarray(b * each, (b + 1) * each) : undefined;
  };
  return new Map(
    [...values].flatMap(([name, all]) => {
      const cut = part(name, all);
      return cut ? [[name, cut] as const] : [];
    }),
  );
}
