import { streamingLlm } from '../../src/cache/policies/streaming-llm.ts';
import { createStream } from '../../src/cache/stream.ts';
import type { Model } from '../../src/models/model.ts';
import type { WeightPrecision } from '../../src/models/weight-data.ts';

/** Greedy text of a prompt, 300 tokens past the end of a small cache, and the bytes that the cache held on the way. */
export async function greedyStream(
  model: Model,
  weights: WeightPrecision,
): Promise<{ ids: number[]; bytes: number[]; programs: number }> {
  await using stream = createStream(model, { policy: streamingLlm({ sinks: 4, recent: 28 }), weights });
  await stream.read([5, 9, 40, 17, 21, 33, 8, 12]);
  const ids: number[] = [];
  const bytes: number[] = [];
  for (let i = 0; i < 324; i++) {
    const logits = stream.logits[0]!;
    const id = logits.reduce((best, value, v) => (value > logits[best]! ? v : best), 0);
    ids.push(id);
    await stream.next([id]);
    bytes.push(stream.cache.bytes);
  }
  return { ids, bytes, programs: stream.engine.programCount };
}
