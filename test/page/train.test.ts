import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { trainToy } from '../../src/train/toys/train-toy.ts';
import { triggerAveraging } from '../../src/train/toys/trigger-averaging.ts';
import { needsChromium, type OpenPage, openPage } from './chromium.ts';

describe.skipIf(needsChromium !== '')(`training in a real page${needsChromium}`, () => {
  let opened: OpenPage;
  beforeAll(async () => {
    opened = await openPage('./train.page.ts');
  });
  afterAll(() => opened?.[Symbol.asyncDispose]());

  it('100 steps of a toy have the losses that they have in Node', async () => {
    const here: number[] = [];
    await using runtime = nodeRuntime({ threads: 1 });
    await trainToy(triggerAveraging(), runtime, { steps: 100, progress: (_, { loss }) => here.push(loss!) });
    const there = await opened.call<number[]>('losses', 100);
    expect(there.length).toBe(100);
    for (const [i, loss] of here.entries())
      expect(Math.abs(there[i]! - loss), `step ${i + 1}`).toBeLessThan(1e-4 * Math.max(1, loss));
    expect(here.at(-1)!).toBeLessThan(here[0]! / 10);
  });
});
