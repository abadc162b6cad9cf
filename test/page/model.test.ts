import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needsChromium, type OpenPage, openPage } from './chromium.ts';
import type { Comparison } from './model.page.ts';

describe.skipIf(needsChromium !== '')(`models in a real page${needsChromium}`, () => {
  let opened: OpenPage;
  beforeAll(async () => {
    opened = await openPage('./model.page.ts');
  });
  afterAll(() => opened?.[Symbol.asyncDispose]());

  it.each([
    ['llama', 3],
    ['gemma3', 3],
    ['gpt2', 3],
    ['gpt_oss', 3],
  ])(
    '%s is fetched, loaded and run in the page and agrees with its reference, layer by layer',
    async (name, layers) => {
      const { distances } = await opened.call<Comparison>('compare', `/fixtures/families/${name}`);
      const expected = ['fast.logits', 'output.logits'];
      for (let layer = 0; layer < layers; layer++)
        expected.push(`output.hidden_states.${layer}`, `output.attentions.${layer}`);
      expect(Object.keys(distances)).toEqual(expect.arrayContaining([...expected, `output.hidden_states.${layers}`]));
      const apart = Object.entries(distances).filter(
        ([tensor, value]) => value > (tensor.endsWith('logits') ? 2e-4 : 1e-4),
      );
      expect(apart).toEqual([]);
    },
  );
});
