import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { HookName } from '../../src/models/hook-names.ts';
import type { Model } from '../../src/models/model.ts';
import { verify } from '../../src/models/verify.ts';
import { comparable, firstTies } from '../../src/models/verify-ties.ts';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { familyFolder, open, openReference } from './support.ts';

/** A model of layers that choose so many keys, or entries of so many tokens. */
const modelOf = (...blocks: { choosesKeys?: number; tokensPerEntry?: number }[]) =>
  ({ stack: { blocks } }) as unknown as Model;
/** Index scores of one text by layer, the same row for every query. */
const captured = (...rows: (number[] | undefined)[]) =>
  new Map(
    rows.flatMap((row, layer) => {
      if (!row) return [];
      const data = Float32Array.from({ length: row.length ** 2 }, (_, i) => row[i % row.length]!);
      const value: HostTensor = { type: 'float32', shape: [1, row.length, row.length], data };
      return [[`blocks.${layer}.attn.hook_index_scores` as HookName, value] as const];
    }),
  );

describe('the first query whose choice of keys hangs on a tie', () => {
  const two = modelOf({ choosesKeys: 2 });

  it('is the first that sees two equal scores on both sides of the boundary', () => {
    expect(firstTies(two, captured([5, 1, 1, 3]), undefined)).toEqual([[2]]);
    expect(firstTies(two, captured([5, 1, 2, 2]), undefined)).toEqual([[3]]);
  });

  it('is none where all that are equal are chosen, or none of them is, or all keys are', () => {
    expect(firstTies(two, captured([5, 5, 1, 1]), undefined)).toEqual([[Number.POSITIVE_INFINITY]]);
    expect(firstTies(modelOf({ choosesKeys: 4 }), captured([0, 0, 0, 0]), undefined)).toEqual([
      [Number.POSITIVE_INFINITY],
    ]);
    expect(firstTies(modelOf({}), captured(undefined), undefined)).toEqual([[]]);
  });

  it('counts in the layers behind it, and padding is not seen', () => {
    const layers = modelOf({ choosesKeys: 2 }, {}, { choosesKeys: 2 });
    expect(firstTies(layers, captured([5, 4, 3, 3], undefined, [1, 1, 1, 2]), undefined)).toEqual([
      [Number.POSITIVE_INFINITY],
      [Number.POSITIVE_INFINITY],
      [2],
    ]);
    expect(firstTies(two, captured([1, 1, 1, 3]), undefined)).toEqual([[2]]);
    expect(firstTies(two, captured([1, 1, 1, 3]), [0, 1, 1, 1])).toEqual([[3]]);
  });

  it('looks at entries at the last of their tokens', () => {
    const entries = modelOf({ choosesKeys: 1, tokensPerEntry: 2 });
    expect(firstTies(entries, captured([7, 1, 7, 2, 7, 2]), undefined)).toEqual([[5]]);
  });
});

describe('what is compared', () => {
  it('are the real positions before it', () => {
    const ties = [[Number.POSITIVE_INFINITY, 1]];
    expect(comparable({ kind: 'hidden_states', layer: 0 }, ties, { T: 3, mask: [1, 1, 1, 0, 1, 1] })).toEqual({
      real: { T: 3, mask: [1, 1, 1, 0, 0, 0] },
      tied: 2,
    });
    expect(comparable({ kind: 'embeddings', layer: undefined }, ties, { T: 3, mask: undefined })).toEqual({ tied: 0 });
  });

  const tied = familyFolder('hy_v4');
  it.skipIf(tied === undefined)(
    'of a reference with ties is the rest, and how many queries were left out is said (needs the shared fixtures)',
    async () => {
      await using model = await open(tied!);
      const result = await verify(model, await openReference(join(tied!, 'expected.safetensors')), {
        lowering: 'fast',
      });
      const left = Object.fromEntries(
        result.comparisons.map(({ tensor, values, tied: out }) => [tensor, [values, out]]),
      );
      expect(result.holds).toBe(true);
      expect(left).toEqual({
        'output.hidden_states.0': [2 * 13 * 128, undefined],
        'output.hidden_states.1': [24 * 128, 2],
        'output.hidden_states.2': [17 * 128, 9],
        'output.hidden_states.3': [17 * 32, 9],
        'output.logits': [17 * 97, 9],
      });
    },
  );
});
