import { afterAll, describe, expect, it } from 'vitest';
import { DecodingEngine } from '../../src/cache/engine.ts';
import { KeyValueCache } from '../../src/cache/key-value-cache.ts';
import { full } from '../../src/cache/policies/full.ts';
import { streamingLlm } from '../../src/cache/policies/streaming-llm.ts';
import { slidingWindow } from '../../src/cache/policies/window.ts';
import { type CachePolicy, positionRules } from '../../src/cache/policy.ts';
import { createStream, type Stream } from '../../src/cache/stream.ts';
import type { Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { bundled } from '../fixtures.ts';
import { furthest, open, someIds } from '../models/support.ts';
import { type Case, cases, everyCase, evicting, files, refusal, sizesOf, streamed } from './matrix-cases.ts';

const z = 'blocks.0.attn.hook_z';
const models = new Map<string, Promise<{ model: Model; engine: DecodingEngine; observing: DecodingEngine }>>();

/** One model of each family, and the programs of all its policies. */
function opened(family: string) {
  let found = models.get(family);
  if (!found) {
    found = open(bundled(`families/${family}`)).then((model) => ({
      model,
      engine: new DecodingEngine(model),
      observing: new DecodingEngine(model, { capture: [z] }),
    }));
    models.set(family, found);
  }
  return found;
}

afterAll(async () => {
  for (const { model, engine, observing } of await Promise.all(models.values())) {
    await engine.dispose();
    await observing.dispose();
    await model.dispose();
  }
});

async function streamOf(family: string, policy: CachePolicy, options: { chunk?: number; batch?: number } = {}) {
  const { model, engine } = await opened(family);
  return createStream(model, { policy, engine, ...options });
}

/** Losses of a text from its second token on, and the logits of what follows. */
async function outcome(stream: Stream, ids: readonly number[], then: readonly number[] = []): Promise<number[]> {
  const losses = await stream.score(ids);
  for (const id of then) await stream.next([id]);
  return [...losses.slice(1), ...stream.logits[0]!];
}

const titled = (all: readonly Case[]) =>
  all.map((one) => [`${one.name} on ${one.family}, positions ${one.rule}`, one] as const);

/** Tokens kept by every list of the cache. */
const allKept = ({ cache }: Stream) =>
  cache.tables.map(({ lists }) => lists.map((row) => row.map(({ list }) => list.map(({ token }) => token))));

it('the matrix has every policy, on models with learned sinks, windows and learned positions', () => {
  expect(new Set(cases.map(({ name }) => name))).toEqual(new Set(files.map(({ name }) => name)));
  expect(new Set(cases.map(({ family }) => family))).toEqual(new Set(streamed));
  expect(files.length).toBeGreaterThanOrEqual(8);
});

describe('with a capacity beyond the text, a policy is the full cache', () => {
  it.each(titled(cases))('%s', async (_, { family, make }) => {
    const ids = someIds(20);
    const whole = await outcome(await streamOf(family, full({ capacity: 40 })), ids, [3, 4]);
    expect(furthest(await outcome(await streamOf(family, make(64)), ids, [3, 4]), whole)).toBeLessThan(1e-5);
  });
});

describe('a prompt in chunks is a prompt token by token, with eviction on', () => {
  it.each(titled(evicting))('%s', async (_, { family, make }) => {
    const ids = someIds(26);
    const alone = await streamOf(family, make(10), { chunk: 1 });
    const losses = await outcome(alone, ids, [3, 4, 5]);
    const whole = await outcome(await streamOf(family, full({ capacity: 40 })), ids, [3, 4, 5]);
    // The policy does leave something out.
    expect(furthest(losses, whole)).toBeGreaterThan(1e-4);
    for (const chunk of [7, 64]) {
      const stream = await streamOf(family, make(10), { chunk });
      expect(furthest(await outcome(stream, ids, [3, 4, 5]), losses)).toBeLessThan(2e-5);
      expect(allKept(stream)).toEqual(allKept(alone));
    }
  });
});

describe('texts side by side are texts alone', () => {
  it.each(titled(evicting))('%s', async (_, { family, make }) => {
    const texts = [someIds(7, 1), someIds(15, 2)];
    const after = someIds(8, 4);
    const both = await streamOf(family, make(10), { batch: 2, chunk: 6 });
    for (const [row, ids] of texts.entries()) await both.read(ids, {}, row);
    for (const id of after) await both.next([id, (id + 5) % 97]);
    for (const [row, ids] of texts.entries()) {
      const alone = await streamOf(family, make(10), { chunk: 6 });
      await alone.read(ids);
      for (const id of after) await alone.next([row === 0 ? id : (id + 5) % 97]);
      expect(furthest(both.logits[row]!, alone.logits[0]!)).toBeLessThan(1e-5);
      expect(allKept(both).map((lists) => lists[row])).toEqual(allKept(alone).map((lists) => lists[0]));
    }
  });
});

describe('memory has a limit: shapes never change, and no list outgrows its capacity', () => {
  // Room for the longest text in retrieval heads, or for what follows a prompt; heads that share the capacity unevenly.
  const more = ['duo-attention', 'snapkv', 'task-kv'];
  it.each(titled(evicting))('%s', async (_, { family, name, make }) => {
    const stream = await streamOf(family, make(10));
    await stream.read(someIds(14));
    const { engine, cache } = stream;
    const programs = engine.programCount;
    const shapes = () =>
      Object.entries(cache.feeds({ row: 0, count: 1, T: 1 })).map(([key, { shape }]) => [key, shape]);
    const first = shapes();
    for (const id of someIds(24, 6)) {
      await stream.next([id]);
      for (const { lists, layout } of cache.tables)
        for (const { list } of lists.flat()) {
          expect(list.length).toBeLessThanOrEqual(layout.entries);
          if (!more.includes(name)) expect(layout.pinned + list.length).toBeLessThanOrEqual(10);
        }
    }
    expect(shapes()).toEqual(first);
    expect(engine.programCount).toBe(programs);
  });
});

describe('after evictions, the first layer attends as in a fresh run over what each head keeps', () => {
  // Learned positions of what is kept stay in its keys, so under cache-relative positions GPT-2 has no such run.
  const fair = evicting.filter(({ family, rule }) => family !== 'gpt2' || rule === 'absolute');
  it.each(titled(fair))('%s', async (_, { family, rule, make }) => {
    const { model, observing } = await opened(family);
    const ids = someIds(22);
    // Less than the windows of the first layers, so that evictions are what counts.
    const stream = createStream(model, { policy: make(4), engine: observing });
    await stream.read(ids.slice(0, 20));
    for (const id of ids.slice(20, -1)) await stream.next([id]);
    const heads = stream.cache.layout.layers[0]!.flatMap(({ heads, table }) => {
      const { sizes } = model.decoder;
      const own = stream.cache.layout.tables[table]!.heads !== undefined;
      return (heads ?? Array.from({ length: sizes.G }, (_, g) => g)).map((head, at) => ({
        head,
        kept: stream.kept(0, table, own ? at : 0),
      }));
    });
    await stream.next([ids.at(-1)!]);
    const seen = stream.captured.get(z)!.data as Float32Array;
    const width = seen.length / heads.length;
    for (const { head, kept } of heads) {
      const tokens = [...kept, ids.length - 1];
      const fresh =
        rule === 'cache-relative'
          ? await freshRun(
              model,
              tokens.map((token) => ids[token]!),
            )
          : await freshAt(model, observing, ids, tokens);
      const part = (all: Float32Array) => all.subarray(head * width, (head + 1) * width);
      expect(furthest(part(seen), part(fresh))).toBeLessThan(1e-5);
    }
    // What was evicted would have been seen.
    const whole = await freshAt(
      model,
      observing,
      ids,
      ids.map((_, i) => i),
    );
    expect(furthest(seen, whole)).toBeGreaterThan(1e-4);
  });

  /** Output of the first layer's heads for the last token of a text read in one go. */
  async function freshRun(model: Model, ids: readonly number[]): Promise<Float32Array> {
    const { captured } = await run(model, { ids: [ids] }, { capture: [z] });
    const all = captured.get(z)!.data as Float32Array;
    return all.slice((all.length / ids.length) * (ids.length - 1));
  }

  /** The same where these tokens alone are read, each at its place in the text. */
  async function freshAt(model: Model, engine: DecodingEngine, ids: readonly number[], tokens: readonly number[]) {
    const cache = new KeyValueCache(model.decoder, full({ capacity: 40 }), 1);
    let last = new Float32Array();
    for (const token of tokens) {
      cache.lengths[0] = token;
      const { captured } = await engine.step(cache, { row: 0, count: 1, T: 1 }, [ids[token]!], [0]);
      last = captured.get(z)!.data as Float32Array<ArrayBuffer>;
    }
    return last;
  }
});

describe('where a text begins does not matter under RoPE', () => {
  // Sinks, the tokens of the middle and kinds of tokens are known by their place in the text.
  const anywhere = cases.filter(
    ({ family, name, make }) =>
      family !== 'gpt2' &&
      !['middle-tokens', 'streaming-vlm'].includes(name) &&
      make(10)
        .layout(sizesOf(family))
        .tables.every(({ pinned }) => pinned === 0),
  );
  it.each(titled(anywhere))('%s', async (_, { family, name, make }) => {
    const ids = someIds(22);
    const from = async (start: number) => {
      const stream = await streamOf(family, make(name === 'full' ? 40 : 10));
      stream.cache.lengths[0] = start;
      return outcome(stream, ids, [3, 4]);
    };
    expect(furthest(await from(1_000_003), await from(0))).toBeLessThan(2e-4);
  });
});

describe('StreamingLLM without sinks is the window', () => {
  it.each(streamed.flatMap((family) => positionRules.map((rule) => [family, rule] as const)))(
    'on %s, positions %s',
    async (family, positions) => {
      const ids = someIds(24);
      const none = await outcome(await streamOf(family, streamingLlm({ sinks: 0, recent: 7, positions })), ids, [3]);
      const window = await outcome(await streamOf(family, slidingWindow({ recent: 7, positions })), ids, [3]);
      expect(window).toEqual(none);
      // Without gaps RoPE sees the same distances under both rules.
      const absolute = slidingWindow({ recent: 7, positions: 'absolute' });
      if (family !== 'gpt2')
        expect(furthest(window, await outcome(await streamOf(family, absolute), ids, [3]))).toBeLessThan(1e-5);
    },
  );
});

describe('what a model cannot do is refused by name', () => {
  const without = everyCase.filter((one) => refusal(one) !== undefined);
  it.each(titled(without))('%s', async (_, one) => {
    await expect(streamOf(one.family, one.make(10))).rejects.toThrow(refusal(one));
  });

  it('learned positions end where the table ends under absolute positions, and are used again under cache-relative ones', async () => {
    const near = async (policy: CachePolicy) => {
      const stream = await streamOf('gpt2', policy);
      await stream.read(someIds(12));
      stream.cache.lengths[0] = 127;
      await stream.next([5]);
      await stream.next([6]);
      return stream.lengths[0];
    };
    await expect(near(slidingWindow({ recent: 8, positions: 'absolute' }))).rejects.toThrow(
      'window: 8: gpt2 has learned 128 positions, and the next token is at 128; under cache-relative positions a text may be longer',
    );
    expect(await near(slidingWindow({ recent: 8 }))).toBe(129);
  });
});
