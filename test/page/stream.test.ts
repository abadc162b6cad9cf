import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocal } from '../../src/load/open-local.ts';
import { createModel } from '../../src/models/model.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { needsChromium, type OpenPage, openPage } from './chromium.ts';
import type { streamInPage } from './stream.page.ts';
import { greedyStream } from './stream-input.ts';

const books = fileURLToPath(new URL('../../models/books-6m', import.meta.url));

describe.skipIf(needsChromium !== '')(`a stream in a real page${needsChromium}`, () => {
  let opened: OpenPage;
  beforeAll(async () => {
    opened = await openPage('./stream.page.ts');
  });
  afterAll(() => opened?.[Symbol.asyncDispose]());

  it.each(['float32', 'int4'] as const)(
    '300 tokens past its capacity it has the text of Node under greedy decoding and holds no byte more: %s',
    async (weights) => {
      await using model = createModel({ checkpoint: await openLocal(books), runtime: nodeRuntime({ threads: 1 }) });
      const here = await greedyStream(model, weights);
      const there = await opened.call<Awaited<ReturnType<typeof streamInPage>>>(
        'streamInPage',
        '/models/books-6m',
        weights,
      );
      expect(there.ids).toEqual(here.ids);
      expect(new Set(there.bytes).size).toBe(1);
      expect(there.programs).toBe(1);
    },
  );
});
