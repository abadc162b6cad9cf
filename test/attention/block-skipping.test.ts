import { describe, expect, it } from 'vitest';
import {
  type DynamicMaskOptions,
  dynamicMaskAttention,
} from '../../src/attention/mechanisms/dynamic-mask-attention.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { type BlockSkippingOptions, skippedBlocks } from '../../src/attention/selection/block-skipping.ts';
import { naiveAdded, naiveKept, naiveTiles } from './naive/dynamic-mask.ts';
import { runLayer, someStream, worst } from './support.ts';

const T = 25;
const [H, G, D] = [4, 2, 8];
const x = someStream(2, T);
const hooks = ['attn.hook_pattern', 'attn.hook_rot_q', 'attn.hook_rot_k', 'attn.v.hook_out', 'attn.hook_z'] as const;
const run = (options: DynamicMaskOptions) => runLayer(dynamicMaskAttention(options), x, { hooks });

/** Rows of head h of text b at a hook point that has `heads` heads of `width` numbers. */
const rowsOf = (values: ArrayLike<number>, at: number, width: number) =>
  Array.from({ length: T }, (_, t) => Array.from({ length: width }, (_, d) => values[(at * T + t) * width + d]!));

/** 1 + 2 + … + n, and Σ min(w, i) of the same. */
const triangle = (n: number, most = n) =>
  Array.from({ length: n }, (_, i) => Math.min(i + 1, most)).reduce((a, b) => a + b);

describe('blocks of keys without a kept key', () => {
  it.each([
    [{ queries: 1, keys: 1 }],
    [{ queries: 1, keys: 4 }],
    [{ queries: 4, keys: 4 }],
    [{ queries: 8, keys: 3 }],
    [{}],
  ] satisfies [BlockSkippingOptions][])(
    '%j: left out, they change nothing, and as many pairs are counted as computed',
    async (sizes: BlockSkippingOptions) => {
      const { hooks: seen, weights } = await run({ keep: 5 });
      const named = (end: string) => [...weights].find(([name]) => name.endsWith(end))![1];
      const data = (name: (typeof hooks)[number]) => seen.get(name)!.data as Float32Array;
      const made = skippedBlocks(seen.get('attn.hook_pattern')!, sizes);
      const [rows, columns] = made.shape.slice(-2) as [number, number];
      let pairs = 0;
      for (let head = 0; head < 2 * H; head++) {
        const own = Math.floor(head / (H / G));
        const [text, group] = [Math.floor(own / G), own % G];
        // r of a token is made of the values of all key/value heads.
        const all = Array.from({ length: G }, (_, g) => rowsOf(data('attn.v.hook_out'), text * G + g, D));
        const added = Array.from({ length: T }, (_, t) => {
          const r = all
            .flatMap((values) => values[t]!)
            .reduce((sum, value, i) => sum + value * named('dt_proj.weight')[group * G * D + i]!, 0);
          return naiveAdded(r, named('self_attn.A')[group]!, 'exp');
        });
        const mask = made.needed.subarray(head * rows * columns, (head + 1) * rows * columns);
        const tiles = naiveTiles({
          q: rowsOf(data('attn.hook_rot_q'), head, D),
          k: rowsOf(data('attn.hook_rot_k'), own, D),
          ...{ v: all[group]!, added },
          kept: rowsOf(data('attn.hook_pattern'), head, T).map((row) => row.map((weight) => weight !== 0)),
          ...{ queries: sizes.queries ?? 64, keys: sizes.keys ?? 64 },
          needed: (row, column) => mask[row * columns + column] === 1,
        });
        pairs += tiles.multiplyAdds / (2 * D);
        expect(worst(tiles.outputs.flat(), rowsOf(data('attn.hook_z'), head, D).flat())).toBeLessThan(1e-6);
      }
      expect(pairs).toBe(made.pairs);
    },
  );

  it('of one query and one key save all but w of the keys of each query: multiply-adds fall as w / n', async () => {
    for (const keep of [1, 5, 12, T]) {
      const { hooks: seen } = await run({ keep });
      const { pairs, causalPairs, saved } = skippedBlocks(seen.get('attn.hook_pattern')!, { queries: 1, keys: 1 });
      expect([pairs, causalPairs]).toEqual([2 * H * triangle(T, keep), 2 * H * triangle(T)]);
      expect(saved).toBeCloseTo(1 - triangle(T, keep) / triangle(T), 12);
    }
  });

  it('are none in softmax attention', async () => {
    const { hooks: seen } = await runLayer(softmaxAttention(), x, { hooks });
    const { needed, saved, shape } = skippedBlocks(seen.get('attn.hook_pattern')!, { queries: 8, keys: 8 });
    expect(saved).toBe(0);
    expect(shape).toEqual([2, G, H / G, 4, 4]);
    expect([...needed.subarray(0, 16)]).toEqual([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1]);
  });

  it('where the latest are kept are all but the diagonal and what the window reaches', async () => {
    const { hooks: seen } = await run({ keep: 5, order: 'recency' });
    const { needed } = skippedBlocks(seen.get('attn.hook_pattern')!, { queries: 5, keys: 5 });
    expect([...needed.subarray(0, 25)]).toEqual(
      Array.from({ length: 25 }, (_, i) =>
        Math.floor(i / 5) - (i % 5) === 0 || Math.floor(i / 5) - (i % 5) === 1 ? 1 : 0,
      ),
    );
  });

  it('of the hand example δ = (3, 1, 2, 5), w = 2, in blocks of two: the later queries need the first keys too', () => {
    const kept = naiveKept([3, 1, 2, 5], 2);
    expect(kept.map((row) => row.flatMap((one, j) => (one ? [j] : [])))).toEqual([[0], [0, 1], [0, 2], [0, 3]]);
    const pattern = { shape: [4, 4], data: kept.flat().map(Number) };
    expect(skippedBlocks(pattern, { queries: 2, keys: 2 })).toEqual({
      ...{ needed: Uint8Array.of(1, 0, 1, 1), shape: [2, 2], pairs: 12, causalPairs: 12, saved: 0 },
    });
    const apart = skippedBlocks(pattern, { queries: 1, keys: 2 });
    expect([...apart.needed]).toEqual([1, 0, 1, 0, 1, 1, 1, 1]);
    // A query that has seen it all still needs one block of keys alone: 0 and 3 dropped.
    const late = { shape: [1, 4], data: [0, 0, 0.5, 0.5] };
    expect(skippedBlocks(late, { queries: 1, keys: 2 })).toMatchObject({ pairs: 2, causalPairs: 4, saved: 0.5 });
  });

  it('are counted with the sizes of a short last block', () => {
    const pattern = { shape: [3, 5], data: [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1] };
    // Queries are 2, 3 and 4; blocks of two queries and three keys.
    expect(skippedBlocks(pattern, { queries: 2, keys: 3 })).toMatchObject({
      shape: [2, 2],
      pairs: 2 * 3 + 2 * 2 + 2,
      causalPairs: 15,
    });
  });

  it.each([
    [
      { shape: [4, 3], data: new Array(12).fill(1) },
      {},
      'skipped blocks: expected weights [..., T, S] with at least as many keys as queries, got 12 numbers of shape [4, 3]',
    ],
    [
      { shape: [2, 2], data: [1] },
      {},
      'skipped blocks: expected weights [..., T, S] with at least as many keys as queries, got 1 numbers of shape [2, 2]',
    ],
    [{ shape: [1, 1], data: [1] }, { keys: 0 }, 'skipped blocks: keys must be a whole number of at least 1, got 0'],
  ])('refuse %j, %j', (pattern, sizes, message) => {
    expect(() => skippedBlocks(pattern, sizes)).toThrow(message);
  });
});
