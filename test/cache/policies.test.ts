import { describe, expect, it } from 'vitest';
import { DecodingEngine } from '../../src/cache/engine.ts';
import { KeyValueCache } from '../../src/cache/key-value-cache.ts';
import { largest } from '../../src/cache/largest.ts';
import { duoAttention, policyFile as duoFile, retrievalHeads } from '../../src/cache/policies/duo-attention.ts';
import { full } from '../../src/cache/policies/full.ts';
import { h2o, h2oBudgets } from '../../src/cache/policies/h2o.ts';
import { policyFile as middleFile, middleTokens } from '../../src/cache/policies/middle-tokens.ts';
import { pooled, policyFile as snapFile, snapKv } from '../../src/cache/policies/snapkv.ts';
import { policyFile as streamingFile, streamingLlm } from '../../src/cache/policies/streaming-llm.ts';
import { tova } from '../../src/cache/policies/tova.ts';
import { slidingWindow } from '../../src/cache/policies/window.ts';
import type { CachePolicy, Entries } from '../../src/cache/policy.ts';
import { createStream } from '../../src/cache/stream.ts';
import type { Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { add, cast, equal, iota, multiply, select, size } from '../../src/tensor/index.ts';
import { bundled } from '../fixtures.ts';
import { open, someIds } from '../models/support.ts';
import { readText } from './support.ts';

const llama = () => open(bundled('families/llama'));
const sizes = { L: 3, H: 4, G: 2, D: 8, M: 32, V: 97, maxPositions: 128 };

/** Entries 0, 1, 2, … with these scores, as a policy is handed them. */
function entries(scores: readonly number[], more: Partial<Entries> = {}): Entries {
  const of: Omit<Entries, 'layer'> = {
    ...{ table: 0, head: undefined, next: scores.length, promptEnd: false },
    ...{ tokens: scores.map((_, i) => i), value: () => new Float32Array(8) },
    ...{ received: Float64Array.from(scores), sums: Float64Array.from(scores) },
    ...more,
  };
  return { ...of, layer: [] };
}

describe('H2O', () => {
  it('keeps the heavy hitter and the recent token of .9, .4, .2', () => {
    expect(h2o({ heavy: 1, recent: 1 }).keep!(entries([0.9, 0.4, 0.2]))).toEqual([0, 2]);
  });

  it('keeps everything while there is room', () => {
    expect(h2o({ heavy: 2, recent: 1 }).keep!(entries([0.9, 0.4, 0.2]))).toBeUndefined();
  });

  it('divides by the queries since an entry came where it is asked to', () => {
    // 1.2 over four queries is less than 1.0 over two.
    const scores = [1.2, 0.1, 1.0, 0.2];
    expect(h2o({ heavy: 1, recent: 1 }).keep!(entries(scores))).toEqual([0, 3]);
    expect(h2o({ heavy: 1, recent: 1, normalise: 'count' }).keep!(entries(scores))).toEqual([2, 3]);
  });

  it('keeps protected tokens as heavy ones', () => {
    expect(h2o({ heavy: 2, recent: 1, protect: [1] }).keep!(entries([0.9, 0.1, 0.4, 0.2, 0.3]))).toEqual([0, 1, 4]);
    expect(() => h2o({ heavy: 1, recent: 1, protect: [0, 1] })).toThrow(
      'h2o: 2 protected tokens, and there is room for 1 of them; give it more',
    );
  });

  it("has the paper's budgets as shares of the prompt", () => {
    expect(h2oBudgets(128)).toEqual({ heavy: 12, recent: 12 });
    expect(h2oBudgets(100, { heavy: 0.48 })).toEqual({ heavy: 48, recent: 10 });
  });

  it('is the window where no entry may be heavy', async () => {
    await using model = await llama();
    const ids = someIds(20);
    await using heavy = createStream(model, { policy: h2o({ heavy: 0, recent: 6 }) });
    await using window = createStream(model, { policy: slidingWindow({ recent: 6, positions: 'absolute' }) });
    const [a, b] = [await heavy.score(ids), await window.score(ids)];
    for (let i = 1; i < ids.length; i++) expect(a[i]).toBeCloseTo(b[i]!, 5);
  });

  it('lets heads of one layer keep tokens of their own', async () => {
    await using model = await llama();
    await using stream = createStream(model, { policy: h2o({ heavy: 3, recent: 3 }) });
    await stream.read(someIds(30));
    const kept = [0, 1, 2].flatMap((table) => [0, 1].map((head) => stream.kept(0, table, head)));
    for (const tokens of kept) {
      expect(tokens).toHaveLength(6);
      expect(tokens.slice(3)).toEqual([27, 28, 29]);
    }
    expect(new Set(kept.map(String)).size).toBeGreaterThan(1);
  });
});

describe('TOVA', () => {
  it('keeps the tokens of .5 and .4 of a row .5, .1, .4', () => {
    expect(tova({ capacity: 2 }).keep!(entries([0.5, 0.1, 0.4]))).toEqual([0, 2]);
  });

  it('lets the newest token go, unless it is asked to keep it', () => {
    expect(tova({ capacity: 2 }).keep!(entries([0.5, 0.4, 0.1]))).toEqual([0, 1]);
    expect(tova({ capacity: 2, keepNewest: true }).keep!(entries([0.5, 0.4, 0.1]))).toEqual([0, 2]);
  });

  it('keeps protected tokens', () => {
    expect(tova({ capacity: 2, protect: [1] }).keep!(entries([0.5, 0.1, 0.4]))).toEqual([0, 1]);
    expect(() => tova({ capacity: 1, keepNewest: true, protect: [0] })).toThrow('room for 0 of them');
  });
});

describe('after a prompt that is read whole, heads keep what the attention of a plain run says', () => {
  const ids = someIds(24);
  const pattern = 'blocks.*.attn.hook_pattern';

  /** Attention that keys receive from these queries on, by layer and key/value head, mean over the query heads of a group. */
  async function columns(model: Model, from: number): Promise<number[][][]> {
    const { captured } = await run(model, { ids: [ids] }, { capture: [pattern] });
    const T = ids.length;
    return [...captured.values()].map(({ data }) =>
      [0, 1].map((group) =>
        ids.map((_, key) => {
          let total = 0;
          for (const head of [2 * group, 2 * group + 1])
            for (let query = from; query < T; query++) total += (data[(head * T + query) * T + key] as number) / 2;
          return total;
        }),
      ),
    );
  }

  it.each([1, 7, 64])('in chunks of %i', async (chunk) => {
    await using model = await llama();
    await using engine = new DecodingEngine(model);
    const kept = async (policy: CachePolicy, entries: number) => {
      const stream = createStream(model, { policy, engine, chunk });
      await stream.read(ids);
      expect(stream.cache.tables.map((table) => table.entries)).toEqual([entries, entries, entries]);
      return stream.cache.tables.map(({ lists }) => lists[0]!.map(({ list }) => list.map(({ token }) => token)));
    };
    const [all, last, votes] = [await columns(model, 0), await columns(model, 23), await columns(model, 20)];
    expect(await kept(h2o({ heavy: 4, recent: 3, prompt: 'whole' }), 7)).toEqual(
      all.map((heads) => heads.map((sums) => [...largest(sums, 4, 21), 21, 22, 23])),
    );
    expect(await kept(tova({ capacity: 6, prompt: 'whole' }), 6)).toEqual(
      last.map(([a, b]) => [
        largest(
          a!.map((value, i) => value + b![i]!),
          6,
        ),
      ]),
    );
    const snap = { window: 4, capacity: 9, kernel: 3, pooling: 'maximum', generated: 2 } as const;
    expect(await kept(snapKv(snap), 11)).toEqual(
      votes.map((heads) =>
        heads.map((sums) => [
          ...largest(pooled(Float64Array.from(sums.slice(0, 20)), 3, 'maximum'), 5),
          20,
          21,
          22,
          23,
        ]),
      ),
    );
  });
});

describe('the largest of some scores', () => {
  it('are in the order of the text, older ones first among equals', () => {
    expect(largest([3, 1, 2, 1], 3)).toEqual([0, 1, 2]);
    expect(largest([3, 1, 2, 1], 2)).toEqual([0, 2]);
    expect(largest([1, 1, 1, 1], 2)).toEqual([0, 1]);
    expect(largest([3, 1, 2, 9], 2, 3)).toEqual([0, 2]);
    expect(largest([3, 1], 0)).toEqual([]);
    expect(largest([3, 1], 5)).toEqual([0, 1]);
  });

  it('have those that must stay among them', () => {
    expect(largest([3, 1, 2], 1, 3, new Set([1]))).toEqual([1]);
    expect(largest([3, 1, 2], 2, 3, new Set([1]))).toEqual([0, 1]);
  });
});

describe('SnapKV', () => {
  const votes = [0, 9, 0, 0, 0, 1];
  const at = (kernel: number) => snapKv({ window: 1, capacity: 4, kernel, pooling: 'maximum' });

  it('pools votes over their neighbours', () => {
    expect([...pooled(Float64Array.from(votes), 3, 'maximum')]).toEqual([9, 9, 9, 0, 1, 1]);
    expect([...pooled(Float64Array.from(votes), 3, 'average')]).toEqual([3, 3, 3, 0, 1 / 3, 1 / 3]);
    expect([...pooled(Float64Array.from(votes), 1, 'average')]).toEqual(votes);
  });

  it('keeps the neighbours of a voted token with pooling, and the voted ones without', () => {
    const end = entries([...votes, 0], { promptEnd: true });
    expect(at(3).keep!(end)).toEqual([0, 1, 2, 6]);
    expect(at(1).keep!(end)).toEqual([0, 1, 5, 6]);
  });

  it('evicts nothing while text is generated, nor of a short prompt', () => {
    expect(at(3).keep!(entries([...votes, 0]))).toBeUndefined();
    expect(at(3).keep!(entries([0, 9, 0, 0], { promptEnd: true }))).toBeUndefined();
  });

  it('keeps what comes after the prompt until its room is used up, and decides anew after another prompt', async () => {
    await using model = await llama();
    const policy = snapKv({ window: 3, capacity: 8, kernel: 3, generated: 4 });
    await using stream = createStream(model, { policy, chunk: 5 });
    await stream.read(someIds(20));
    const first = stream.kept();
    expect(first).toHaveLength(8);
    expect(first.slice(-3)).toEqual([17, 18, 19]);
    for (const id of someIds(4)) await stream.next([id]);
    expect(stream.kept()).toEqual([...first, 20, 21, 22, 23]);
    await expect(stream.next([5])).rejects.toThrow(
      'the cache is full: snapkv: 5 + 3 keeps 13 entries after 25 tokens, and there is room for 12; give it more room, or take a policy that evicts',
    );
    await stream.read(someIds(6, 5));
    expect(stream.kept()).toHaveLength(8);
    expect(stream.kept().slice(-3)).toEqual([27, 28, 29]);
    expect(stream.cache.tables[0]!.entries).toBe(12);
  });

  it('takes the room for a whole prompt by what is kept, not by what was ever read', async () => {
    await using model = await llama();
    await using stream = createStream(model, { policy: snapKv({ window: 2, capacity: 6, generated: 1 }) });
    const seen: number[] = [];
    for (let turn = 0; turn < 5; turn++)
      await stream.read(someIds(16, turn), { progress: () => void seen.push(stream.cache.tables[0]!.entries) });
    expect(seen).toEqual([16, 22, 22, 22, 22]);
  });

  it('asks for an odd kernel and a capacity beyond the window', () => {
    expect(() => snapKv({ kernel: 4 })).toThrow('snapkv: expected kernel to be odd, got 4');
    expect(() => snapKv({ window: 8, capacity: 8 })).toThrow(
      'snapkv: a capacity of 8 has no room beside a window of 8; expected a capacity of at least 9, or a smaller window',
    );
    expect(snapFile.make({ capacity: 10, sizes, longest: 40 }).name).toBe('snapkv: 5 + 5');
  });
});

describe('DuoAttention', () => {
  const gates = [
    [0.9, 0.1],
    [0.8, 0.7],
    [0.2, 0.1],
  ];

  it('splits heads at a threshold, or at a quantile of the gates', () => {
    const [yes, no] = [true, false];
    expect(retrievalHeads(gates, { threshold: 0.8 })).toEqual([
      [yes, no],
      [yes, no],
      [no, no],
    ]);
    const half = [
      [yes, no],
      [yes, yes],
      [no, no],
    ];
    expect(retrievalHeads(gates)).toEqual(half);
    expect(retrievalHeads(gates, { sparsity: 0.5 })).toEqual(half);
    const count = (sparsity: number) => retrievalHeads(gates, { sparsity }).flat().filter(Boolean).length;
    expect([0, 0.2, 0.5, 0.75, 0.99, 1].map(count)).toEqual([6, 5, 3, 2, 1, 0]);
    expect(retrievalHeads([[0.5, 0.5, 0.5, 0.5]])).toEqual([[yes, yes, no, no]]);
  });

  it('keeps everything in retrieval heads, sinks and recent tokens in the others', async () => {
    await using model = await llama();
    const policy = duoAttention({ gates, capacity: 20, sinks: 2, recent: 3 });
    expect(policy.name).toBe('duo-attention: 3 of 6 heads whole, others 2 + 3');
    expect(policy.layout(sizes).layers).toEqual([
      [
        { heads: [0], table: 0 },
        { heads: [1], table: 1 },
      ],
      [{ table: 0 }],
      [{ table: 1 }],
    ]);
    await using stream = createStream(model, { policy });
    await stream.read(someIds(20));
    expect(stream.kept(0, 0)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(stream.kept(0, 1)).toEqual([0, 1, 17, 18, 19]);
    await expect(stream.next([1])).rejects.toThrow('the cache is full');
  });

  it('is the full cache where all heads retrieve, and StreamingLLM at absolute positions where none does', async () => {
    await using model = await llama();
    const ids = someIds(20);
    const losses = async (policy: CachePolicy) => {
      await using stream = createStream(model, { policy });
      return await stream.score(ids);
    };
    const whole = duoAttention({ gates, threshold: 0, capacity: 20, sinks: 2, recent: 3 });
    const none = duoAttention({ gates, sparsity: 1, capacity: 20, sinks: 2, recent: 3 });
    expect(await losses(whole)).toEqual(await losses(full({ capacity: 20 })));
    expect(await losses(none)).toEqual(await losses(streamingLlm({ sinks: 2, recent: 3, positions: 'absolute' })));
  });

  it('says what is wrong with gates', () => {
    const make = (more: object) => () => duoAttention({ gates, capacity: 8, ...more }).layout(sizes);
    expect(make({ gates: [[2, 0]] })).toThrow('duo-attention: layer 0, head 0: expected a gate from 0 to 1, got 2');
    expect(make({ gates: [[1, 0]] })).toThrow(
      'duo-attention: expected gates of 3 layers with 2 key/value heads each, got 1 layers with 2',
    );
    expect(make({ threshold: 0.5, sparsity: 0.5 })).toThrow('expected a threshold or a sparsity, got both');
    expect(make({ sparsity: 1.5 })).toThrow('duo-attention: expected sparsity from 0 to 1, got 1.5');
    expect(() => duoFile.make({ capacity: 8, sizes })).toThrow(
      'duo-attention: expected gates, a number from 0 to 1 for every key/value head of every layer, got none',
    );
    expect(() => duoFile.make({ capacity: 8, sizes, gates, positions: 'cache-relative' })).toThrow(
      'duo-attention: expected positions absolute, as its gates are trained with, got cache-relative',
    );
  });
});

describe('StreamingLLM', () => {
  it('keeps 0, 1, 4, 5, 6 with two sinks and three recent tokens, and the next query stands at 5', async () => {
    await using model = await llama();
    await using engine = new DecodingEngine(model);
    const cache = new KeyValueCache(model.decoder, streamingLlm({ sinks: 2, recent: 3 }), 1);
    await readText(engine, cache, someIds(7));
    expect(cache.tables[0]!.lists[0]![0]!.list.map(({ token }) => token)).toEqual([4, 5, 6]);
    const { pinned_queries0, pinned_keys0, keys0, positions } = cache.feeds({ row: 0, count: 1, T: 1 });
    expect(pinned_queries0!.data).toEqual(BigInt64Array.of(5n));
    expect(pinned_keys0!.data).toEqual(BigInt64Array.of(0n, 1n));
    // The recent ones stand one, two and three before the query.
    const distances = [...(keys0!.data as BigInt64Array)].map((key) =>
      Number((positions!.data as BigInt64Array)[0]! - key),
    );
    expect(distances.sort()).toEqual([1, 2, 3]);
  });

  it('renormalises what is left by 1 / (1 − mass evicted): .107 becomes .5 when .787 leaves', async () => {
    await using model = await llama();
    /** Weights of token 2 where the score of one place is 2 and all others are 0. */
    const pattern = async (policy: CachePolicy, place: number) => {
      await using stream = createStream(model, {
        policy,
        capture: ['blocks.0.attn.hook_pattern'],
        edit: {
          'blocks.0.attn.hook_attn_scores': (value) => {
            const two = select(equal(iota('S', size(value, 'S')), place), 2, 0);
            return add(multiply(value, 0), cast(two, 'float32') as never);
          },
        },
      });
      for (const id of [5, 6, 7]) await stream.next([id]);
      const { data, shape } = stream.captured.get('blocks.0.attn.hook_pattern')!;
      return [...(data as Float32Array)].slice(0, shape.at(-1));
    };
    const all = await pattern(full({ capacity: 3 }), 0);
    const left = await pattern(slidingWindow({ recent: 1 }), -1);
    // Slots of the full cache: tokens 0 and 1, one that is free, and the new token.
    expect(all.map((weight) => weight.toFixed(3))).toEqual(['0.787', '0.107', '0.000', '0.107']);
    expect(left).toEqual([0.5, 0.5]);
    expect(left[0]! / all[1]!).toBeCloseTo(1 / (1 - all[0]!), 5);
    expect(left[0]! / all[1]!).toBeCloseTo(4.69, 2);
  });

  it('says when a capacity has no room beside the sinks', () => {
    expect(() => streamingFile.make({ capacity: 4, sizes })).toThrow(
      'streaming-llm: 4 entries have no room for recent tokens beside 4 sinks; expected a capacity of at least 5, or fewer sinks',
    );
    expect(() => streamingFile.make({ capacity: 2, sinks: 3, sizes })).toThrow('at least 4, or fewer sinks');
    expect(() => streamingLlm({ sinks: -1 })).toThrow(
      'streaming-llm: expected sinks to be a whole number from 0, got -1',
    );
  });
});

describe('the control with middle tokens', () => {
  it('keeps the four tokens that come first when the cache is full, instead of the first four', async () => {
    await using model = await llama();
    await using stream = createStream(model, { policy: middleTokens({ middle: 4, recent: 6 }) });
    await stream.read(someIds(10));
    expect(stream.kept()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await stream.read(someIds(3));
    expect(stream.kept()).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    await stream.read(someIds(12));
    expect(stream.kept()).toEqual([10, 11, 12, 13, 19, 20, 21, 22, 23, 24]);
  });

  it('is StreamingLLM where the middle is the beginning', async () => {
    await using model = await llama();
    const ids = someIds(24);
    await using control = createStream(model, { policy: middleTokens({ middle: 2, recent: 5, from: 0 }) });
    await using stream = createStream(model, { policy: streamingLlm({ sinks: 2, recent: 5 }) });
    const [a, b] = [await control.score(ids), await stream.score(ids)];
    for (let i = 1; i < ids.length; i++) expect(a[i]).toBeCloseTo(b[i]!, 4);
  });

  it('says when a capacity has no room beside the tokens', () => {
    expect(() => middleFile.make({ capacity: 4, sizes })).toThrow('middle-tokens: 4 entries have no room');
  });
});
