import { describe, expect, it } from 'vitest';
import { DecodingEngine } from '../../src/cache/engine.ts';
import { KeyValueCache } from '../../src/cache/key-value-cache.ts';
import { streamingLlm } from '../../src/cache/policies/streaming-llm.ts';
import { positionRules } from '../../src/cache/policy.ts';
import { bundled } from '../fixtures.ts';
import { open, openReference } from '../models/support.ts';
import { readText, worst } from './support.ts';

const settings = [
  [4, 12],
  [1, 8],
  [0, 12],
].flatMap(([sinks, capacity]) => positionRules.map((rule) => [sinks!, capacity!, rule] as const));

describe('every step of decoding, against the reference implementation', () => {
  // The reference counts the new token among its entries; ours are those before it.
  it.each(settings)('%i sinks, %i entries, positions %s', async (sinks, capacity, positions) => {
    const reference = await openReference(bundled('streaming/llama.safetensors'));
    const ids = [...(await reference.read('input.input_ids'))];
    const expected = await reference.read(`sinks${sinks}.capacity${capacity}.${positions}.logits`);
    const V = expected.length / ids.length;
    const rows = ids.map((_, t) => expected.slice(t * V, (t + 1) * V));
    await using model = await open(bundled('families/llama'));
    await using engine = new DecodingEngine(model);
    const policy = streamingLlm({ sinks, recent: capacity - sinks - 1, positions });
    for (const chunk of [1, 5, 64]) {
      const cache = new KeyValueCache(model.decoder, policy, 1);
      expect(worst(await readText(engine, cache, ids, chunk), rows)).toBeLessThan(1e-4);
    }
    expect(engine.programCount).toBe(1);
  });
});
