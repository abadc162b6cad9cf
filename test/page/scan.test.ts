import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocal } from '../../src/load/open-local.ts';
import type { HeadMap } from '../../src/measure/result.ts';
import { scan } from '../../src/measure/scan.ts';
import { createModel } from '../../src/models/model.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { bundled } from '../fixtures.ts';
import { needsChromium, type OpenPage, openPage } from './chromium.ts';
import type { scanInPage } from './scan.page.ts';
import { describeIds } from './scan-input.ts';

describe.skipIf(needsChromium !== '')(`a scan in a real page${needsChromium}`, () => {
  let opened: OpenPage;
  beforeAll(async () => {
    opened = await openPage('./scan.page.ts');
  });
  afterAll(() => opened?.[Symbol.asyncDispose]());

  it.each([
    ['/fixtures/families/llama', bundled('families/llama')],
    ['/fixtures/families/gpt_oss', bundled('families/gpt_oss')],
    ['/models/books-6m', fileURLToPath(new URL('../../models/books-6m', import.meta.url))],
  ])('%s: the same sink map as in Node, to 1e-4', async (address, folder) => {
    await using model = createModel({
      checkpoint: await openLocal(folder),
      runtime: nodeRuntime({ threads: 1 }),
    });
    const here = await scan(model, describeIds(model.decoder.sizes.V));
    const there = await opened.call<Awaited<ReturnType<typeof scanInPage>>>('scanInPage', address);
    const pairs: [HeadMap, HeadMap][] = [
      [there.alpha, here.alpha],
      [there.received, here.received],
      [there.largest, here.page.curves.largest],
    ];
    for (const [ours, theirs] of pairs)
      for (const [l, row] of theirs.entries())
        for (const [h, value] of row!.entries())
          expect(Math.abs(ours[l]![h]! - value)).toBeLessThan(1e-4 * Math.max(1, value));
    expect(there.sinkRates[0]!.rate.mean).toBe(here.sinkRates[0]!.rate.mean);
  });
});
