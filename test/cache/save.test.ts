import { describe, expect, it } from 'vitest';
import { layerwiseLayout } from '../../src/cache/layout.ts';
import { full } from '../../src/cache/policies/full.ts';
import { streamingLlm } from '../../src/cache/policies/streaming-llm.ts';
import type { CachePolicy } from '../../src/cache/policy.ts';
import { restoreStream, saveStream } from '../../src/cache/save.ts';
import { createStream } from '../../src/cache/stream.ts';
import { bundled } from '../fixtures.ts';
import { open } from '../models/support.ts';

/** Keeps every other token, so that what stays moves. */
const everyOther: CachePolicy = {
  name: 'every other: 6',
  source: 'test',
  keeps: 'every other token',
  decides: 'after every token',
  positions: 'cache-relative',
  layout: ({ L, G }) => layerwiseLayout(L, { pinned: 0, entries: 6, heads: G }),
  weighs: 'all',
  keep: ({ tokens, sums }) => {
    if (tokens.length <= 6) return undefined;
    const least = sums.indexOf(Math.min(...sums.slice(0, -1)));
    return tokens.map((_, rank) => rank).filter((rank) => rank !== least);
  },
};

const ids = Array.from({ length: 40 }, (_, i) => 3 + ((i * 29) % 90));

describe('a stream that is saved and resumed', () => {
  it.each([streamingLlm({ sinks: 2, recent: 7 }), everyOther])('goes on as if undisturbed: $name', async (policy) => {
    await using model = await open(bundled('families/llama'));
    await using one = createStream(model, { policy });
    await one.read(ids.slice(0, 17));
    const bytes = await saveStream(one);
    await using other = createStream(model, { policy, engine: one.engine });
    await restoreStream(other, bytes);
    expect(other.logits[0]).toEqual(one.logits[0]);
    const rest = ids.slice(17);
    expect(await other.score(rest)).toEqual(await one.score(rest));
    expect(other.kept()).toEqual(one.kept());
    expect(await saveStream(other)).toEqual(await saveStream(one));
  });

  it('is refused by another policy, another batch, and when damaged, and leaves the stream as it was', async () => {
    await using model = await open(bundled('families/llama'));
    await using one = createStream(model, { policy: streamingLlm({ sinks: 2, recent: 7 }) });
    await one.read(ids.slice(0, 17));
    const bytes = await saveStream(one);
    const before = one.logits[0];
    await using other = createStream(model, { policy: full({ capacity: 64 }), engine: one.engine });
    await expect(restoreStream(other, bytes)).rejects.toThrow(
      'saved stream: it was saved under streaming-llm: 2 + 7 (cache-relative), this stream has full: 64 (absolute)',
    );
    await using two = createStream(model, { policy: one.policy, batch: 2, engine: one.engine });
    await expect(restoreStream(two, bytes)).rejects.toThrow('it has 1 texts, this stream 2');
    await expect(restoreStream(one, bytes.slice(0, -9))).rejects.toThrow(/saved stream/);
    await expect(restoreStream(one, new TextEncoder().encode('no state'))).rejects.toThrow(/saved stream/);
    const text = new TextDecoder('latin1').decode(bytes);
    for (const [from, to] of [
      ['[[[[10,', '[[[[11,'],
      ['sinklab.stream-state', 'sinklab.stream-other'],
    ] as const) {
      const changed = Uint8Array.from(text.replace(from, to), (c) => c.charCodeAt(0));
      expect(text).toContain(from);
      await expect(restoreStream(one, changed)).rejects.toThrow(/damaged|no saved stream/);
    }
    expect(one.logits[0]).toBe(before);
    expect(one.lengths).toEqual([17]);
  });
});
