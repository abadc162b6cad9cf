import { describe, expect, it } from 'vitest';
import { DecodingEngine } from '../../src/cache/engine.ts';
import { uniformLayout } from '../../src/cache/layout.ts';
import { slidingWindow } from '../../src/cache/policies/window.ts';
import type { CachePolicy } from '../../src/cache/policy.ts';
import { createStream } from '../../src/cache/stream.ts';
import { bundled } from '../fixtures.ts';
import { open, someIds } from '../models/support.ts';

const llama = () => open(bundled('families/llama'));

describe('what no policy may do', () => {
  const made = (more: Partial<CachePolicy>): CachePolicy => ({
    ...{ name: 'made up', source: 'none', keeps: 'something', decides: 'always', positions: 'absolute' as const },
    layout: ({ L }) => uniformLayout(L, { pinned: 0, entries: 4 }),
    ...more,
  });
  const read = async (policy: CachePolicy) => {
    await using model = await llama();
    await using stream = createStream(model, { policy });
    await stream.read(someIds(6));
  };

  it.each<[string, Partial<CachePolicy>, string]>([
    ['keep nothing', { keep: () => [] }, 'made up keeps nothing after 4 tokens; expected at least one entry to stay'],
    [
      'let everything expire',
      { lastQuery: (token) => token },
      'made up keeps nothing after 6 tokens; expected at least one entry to stay',
    ],
    [
      'keep what is not there',
      { keep: () => [0, 7] },
      'made up: after 4 tokens, expected ranks from 0 to 3 to stay, each once, got 7',
    ],
    [
      'keep an entry twice',
      { keep: () => [1, 1] },
      'made up: after 4 tokens, expected ranks from 0 to 3 to stay, each once, got 1',
    ],
    [
      'have no room',
      { layout: ({ L }) => uniformLayout(L, { pinned: 2, entries: 0 }) },
      'the cache of made up: table 0: expected room for at least one entry, got 0',
    ],
    [
      'forget a layer',
      { layout: () => uniformLayout(2, { pinned: 0, entries: 4 }) },
      'the cache of made up: expected banks for 3 layers, got 2',
    ],
    [
      'forget a head',
      {
        layout: ({ L }) => ({
          ...uniformLayout(L, { pinned: 0, entries: 4 }),
          layers: Array(L).fill([{ heads: [0], table: 0 }]),
        }),
      },
      'the cache of made up: layer 0: expected each of 2 key/value heads in one bank, got 0',
    ],
    [
      'name a table that is not there',
      { layout: ({ L }) => ({ tables: [], layers: Array(L).fill([{ table: 0 }]) }) },
      'the cache of made up: layer 0: there is no table 0',
    ],
  ])('%s', async (_, more, message) => {
    await expect(read(made(more))).rejects.toThrow(message);
  });

  it('leave out room for a stream that follows', async () => {
    await using model = await llama();
    await using engine = new DecodingEngine(model);
    const failing = createStream(model, { policy: made({ keep: () => [] }), engine });
    await expect(failing.read(someIds(6))).rejects.toThrow('keeps nothing');
    const next = createStream(model, { policy: slidingWindow({ recent: 4 }), engine });
    await next.read(someIds(6));
    expect(next.kept()).toEqual([2, 3, 4, 5]);
  });
});
