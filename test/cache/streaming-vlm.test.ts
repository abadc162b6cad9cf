import { describe, expect, it } from 'vitest';
import { DecodingEngine } from '../../src/cache/engine.ts';
import { KeyValueCache } from '../../src/cache/key-value-cache.ts';
import { uniformLayout } from '../../src/cache/layout.ts';
import { full } from '../../src/cache/policies/full.ts';
import { streamingLlm } from '../../src/cache/policies/streaming-llm.ts';
import { policyFile, streamingVlm } from '../../src/cache/policies/streaming-vlm.ts';
import type { CachePolicy, PositionRule } from '../../src/cache/policy.ts';
import { TypedText } from '../../src/cache/typed-text.ts';
import { bundled } from '../fixtures.ts';
import { open } from '../models/support.ts';
import { logitsUnder, readText, worst } from './support.ts';

const llama = () => open(bundled('families/llama'));
const idsOf = (count: number, V: number) => Array.from({ length: count }, (_, i) => (17 * i * i + 5 * i + 3) % V);

/** Entries of the only text in the order of their positions, pinned ones first. */
function entriesOf(cache: KeyValueCache) {
  const { layout, lists } = cache.tables[0]!;
  const pinned = Math.min(layout.pinned, cache.lengths[0]!);
  const { list } = lists[0]![0]!;
  return {
    tokens: [...Array.from({ length: pinned }, (_, i) => i), ...list.map(({ token }) => token)],
    positions: list.map(({ position }) => position),
  };
}

/** Rounds of a stream: one of text, then each of vision and text. */
function rounds(count: number, vision: number, words: number, opening = words): TypedText {
  const text = new TypedText().append('text', opening);
  for (let i = 0; i < count; i++) text.round().append('vision', vision).append('text', words);
  return text;
}

/** What the rule keeps after `next` tokens, from its words. */
function keptByTheRule(text: TypedText, next: number, sinks: number, window: number, vision: number): number[] {
  const all = Array.from({ length: next }, (_, i) => i);
  const words = all.filter((i) => text.kindOf(i) === 'text');
  const images = all.filter((i) => text.kindOf(i) === 'vision');
  const kept = new Set([...words.slice(0, sinks), ...words.slice(-window), ...images.slice(-vision)]);
  return all.filter((i) => kept.has(i));
}

describe('typed text', () => {
  it('knows kind and round of every token, and takes what is not written for text of the last round', () => {
    const text = rounds(2, 3, 2, 1);
    expect(Array.from({ length: 13 }, (_, i) => `${text.kindOf(i)[0]}${text.roundOf(i)}`).join(' ')).toBe(
      't0 v1 v1 v1 t1 t1 v2 v2 v2 t2 t2 t2 t2',
    );
    text.clear();
    expect([text.kindOf(0), text.roundOf(0)]).toEqual(['text', 0]);
    expect(() => text.append('vision', 1.5)).toThrow('expected count to be a whole number from 0, got 1.5');
  });
});

describe('StreamingVLM', () => {
  it('with nothing evicted gives the logits of full attention with its own positions', async () => {
    await using model = await llama();
    const ids = idsOf(40, model.decoder.sizes.V);
    const policy = streamingVlm({ text: rounds(10, 3, 2), textSinks: 8, textWindow: 40, visionWindow: 40 });
    const expected = await logitsUnder(model, full({ capacity: 64 }), ids);
    expect(worst(await logitsUnder(model, policy, ids, 16), expected)).toBeLessThan(1e-5);
  });

  // T_sink 1, T_window 3, V_window 4; the first round has three text tokens and four of vision, the others one and two.
  it('numbers the example of the paper 1–7, 1–8, then 1–9 for ever, without gaps', async () => {
    await using model = await llama();
    await using engine = new DecodingEngine(model);
    const text = new TypedText().append('text', 2).append('vision', 4).append('text', 1);
    for (let i = 0; i < 12; i++) text.round().append('vision', 2).append('text', 1);
    const cache = new KeyValueCache(
      model.decoder,
      streamingVlm({ text, textSinks: 1, textWindow: 3, visionWindow: 4 }),
      1,
    );
    const largest: number[] = [];
    for (const [i, id] of idsOf(7 + 36, model.decoder.sizes.V).entries()) {
      const before = entriesOf(cache).tokens.length;
      await engine.step(cache, { row: 0, count: 1, T: 1 }, [id], [0]);
      if (i >= 6 && (i - 6) % 3 === 0) largest.push(before + 1);
      const { tokens, positions } = entriesOf(cache);
      expect(tokens).toEqual(keptByTheRule(text, i + 1, 1, 3, 4));
      expect(positions).toEqual(tokens.map((_, rank) => i + 1 - tokens.length + rank));
    }
    expect(largest).toEqual([7, 8, ...new Array<number>(11).fill(9)]);
  });

  it.each([0, 3])('of text alone is StreamingLLM, with %i tokens held apart', async (system) => {
    await using model = await llama();
    const ids = idsOf(40, model.decoder.sizes.V);
    const policy = streamingVlm({ text: new TypedText(), textSinks: 3, textWindow: 9, visionWindow: 0, system });
    const other = streamingLlm({ sinks: 3, recent: 9 });
    await using engine = new DecodingEngine(model);
    const [cache, plain] = [new KeyValueCache(model.decoder, policy, 1), new KeyValueCache(model.decoder, other, 1)];
    const [a, b] = [await readText(engine, cache, ids, 8), await readText(engine, plain, ids, 8)];
    expect(entriesOf(cache).tokens).toEqual([0, 1, 2, ...Array.from({ length: 9 }, (_, i) => 31 + i)]);
    expect(entriesOf(cache).tokens).toEqual(entriesOf(plain).tokens);
    expect(worst(a, b)).toBeLessThan(1e-4);
  });

  const settings = (['token', 'round'] as const).flatMap((decides) =>
    [undefined, 2].flatMap((visionRounds) =>
      [0, 2].map((system) => ({ decides, system, ...(visionRounds ? { visionRounds } : {}) })),
    ),
  );
  it.each(settings)('in chunks is what it is one by one: %o', async (setting) => {
    await using model = await llama();
    const ids = idsOf(44, model.decoder.sizes.V);
    const text = rounds(8, 4, 1, 4);
    const policy = streamingVlm({ text, textSinks: 3, textWindow: 3, visionWindow: 10, roundTokens: 5, ...setting });
    await using engine = new DecodingEngine(model);
    const [chunks, single] = [0, 0].map(() => new KeyValueCache(model.decoder, policy, 1)) as [
      KeyValueCache,
      KeyValueCache,
    ];
    const expected = await readText(engine, single, ids, 1);
    expect(worst(await readText(engine, chunks, ids, 32), expected)).toBeLessThan(1e-5);
    expect(entriesOf(chunks)).toEqual(entriesOf(single));
  });

  it('decided by rounds reads a round in one step, which ends with the first token of the next; nothing else evicts', async () => {
    await using model = await llama();
    const text = rounds(8, 4, 1, 4);
    const limits = { textSinks: 3, textWindow: 3, visionWindow: 8, visionRounds: 2 };
    const policy = streamingVlm({ text, ...limits, decides: 'round', roundTokens: 5 });
    const cache = new KeyValueCache(model.decoder, policy, 1);
    await using engine = new DecodingEngine(model);
    const sizes: number[] = [];
    for (let start = 0; start < 44; ) {
      const T = cache.stepLimit(0, Math.min(16, 44 - start));
      await engine.step(cache, { row: 0, count: 1, T }, idsOf(T, 40), [0]);
      sizes.push(T);
      start += T;
    }
    expect(sizes).toEqual([...new Array<number>(8).fill(5), 4]);
    // Round 8 began with token 39: what the rule kept then, and the rest of the round.
    const now = keptByTheRule(text, 40, 3, 3, 40).filter(
      (i) => text.kindOf(i) === 'text' || (text.roundOf(i) >= 7 && i < 40),
    );
    expect(entriesOf(cache).tokens).toEqual([...now, 40, 41, 42, 43]);
  });

  it('a round longer than was said, a kind without a budget and more pinned tokens than sinks are refused', async () => {
    await using model = await llama();
    const long = streamingVlm({
      ...{ text: new TypedText(), textSinks: 1, textWindow: 2, visionWindow: 0, decides: 'round', roundTokens: 3 },
    });
    await expect(logitsUnder(model, long, idsOf(8, 40))).rejects.toThrow(
      'the cache is full: streaming-vlm: 1 + 2 text, 0 vision keeps 7 entries after 7 tokens, and there is room for 6',
    );
    const sound = streamingVlm({ text: new TypedText().append('sound', 3), visionWindow: 4 });
    await expect(logitsUnder(model, sound, [1, 2])).rejects.toThrow(
      'token 0 is of kind sound, which has no budget; there are text,vision',
    );
    expect(() => streamingVlm({ text: new TypedText(), textSinks: 2, visionWindow: 4, system: 3 })).toThrow(
      '3 tokens at the start are pinned, more than the 2 sinks of text',
    );
    expect(() => streamingVlm({ text: new TypedText(), visionWindow: -1 })).toThrow(
      'expected recent tokens of vision to be a whole number from 0, got -1',
    );
  });

  it('by name keeps as many entries as asked for, on plain text in rounds of 8 and 24', async () => {
    await using model = await llama();
    const { sizes } = model.decoder;
    const policy = policyFile.make({ capacity: 20, sinks: 2, sizes });
    await using engine = new DecodingEngine(model);
    const cache = new KeyValueCache(model.decoder, policy, 1);
    await readText(engine, cache, idsOf(45, sizes.V), 16);
    const { tokens } = entriesOf(cache);
    // Texts are 0–7 and 32–39; the rest stands for vision.
    expect(tokens).toEqual([0, 1, 7, 28, 29, 30, 31, ...Array.from({ length: 13 }, (_, i) => 32 + i)]);
    expect(tokens).toHaveLength(20);
  });
});

/** Keeps everything, and puts it in another order when told to. */
class Moving {
  private order: readonly number[] | undefined;
  readonly cache: KeyValueCache;

  constructor(
    private readonly engine: DecodingEngine,
    positions: PositionRule,
  ) {
    const policy: CachePolicy = {
      ...{ name: 'moving', source: '2510.09608', keeps: 'everything', decides: 'when told', positions },
      layout: ({ L }) => uniformLayout(L, { pinned: 0, entries: 64 }),
      keep: () => this.order,
    };
    this.cache = new KeyValueCache(engine.model.decoder, policy, 1);
  }

  read(ids: readonly number[]): Promise<Float32Array[]> {
    this.order = undefined;
    return readText(this.engine, this.cache, ids, 16);
  }

  /** The entries as they are, in this order, without reading anything. */
  move(order: readonly number[]): void {
    this.order = order;
    const nothing = { type: 'float32' as const, shape: [0], data: new Float32Array(0) };
    this.cache.commit({ row: 0, count: 1, T: 0 }, { k: nothing, v: nothing }, { decide: true, promptEnd: false });
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
/** Of 16 entries, 6 to 8 before entry 2; and the way back. */
const forth = [...range(0, 2), ...range(6, 9), ...range(2, 6), ...range(9, 16)];
const back = range(0, 16).map((rank) => forth.indexOf(rank));

describe('moving a segment of the cache', () => {
  const logitsAfter = async (positions: PositionRule, ...orders: readonly (readonly number[])[]) => {
    await using model = await llama();
    await using engine = new DecodingEngine(model);
    const ids = idsOf(32, model.decoder.sizes.V);
    const moving = new Moving(engine, positions);
    await moving.read(ids.slice(0, 16));
    for (const order of orders) moving.move(order);
    const { tokens } = entriesOf(moving.cache);
    return { tokens, logits: await moving.read(ids.slice(16)) };
  };

  it('and moving it back leaves every later logit as it was; moving it alone does not', async () => {
    const still = await logitsAfter('cache-relative');
    const moved = await logitsAfter('cache-relative', forth);
    const returned = await logitsAfter('cache-relative', forth, back);
    expect(moved.tokens).toEqual(forth);
    expect(worst(moved.logits, still.logits)).toBeGreaterThan(1e-3);
    expect(returned.tokens).toEqual(range(0, 16));
    expect(worst(returned.logits, still.logits)).toBe(0);
  });

  it('changes nothing where keys keep the rotation that they came with', async () => {
    const still = await logitsAfter('absolute');
    const moved = await logitsAfter('absolute', forth);
    expect(moved.tokens).toEqual(forth);
    expect(worst(moved.logits, still.logits)).toBe(0);
  });
});
