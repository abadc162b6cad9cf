import { DecodingEngine, type EngineOptions } from '../../src/cache/engine.ts';
import { KeyValueCache } from '../../src/cache/key-value-cache.ts';
import type { CachePolicy } from '../../src/cache/policy.ts';
import type { Model } from '../../src/models/model.ts';

/** Logits at every token of one text, read in chunks of at most this size. */
export async function readText(
  engine: DecodingEngine,
  cache: KeyValueCache,
  ids: readonly number[],
  chunk = 1,
  row = 0,
): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (let start = 0; start < ids.length; ) {
    const size = cache.stepLimit(row, Math.min(chunk, ids.length - start));
    const part = ids.slice(start, start + size);
    start += size;
    const all = part.map((_, t) => t);
    const { logits } = await engine.step(cache, { row, count: 1, T: part.length }, part, all);
    const V = logits.shape[2]!;
    for (const t of all) rows.push((logits.data as Float32Array).slice(t * V, (t + 1) * V));
  }
  return rows;
}

/** Logits of one text under a policy, on an engine of its own. */
export async function logitsUnder(
  model: Model,
  policy: CachePolicy,
  ids: readonly number[],
  chunk = 1,
  options: EngineOptions = {},
): Promise<Float32Array[]> {
  const engine = new DecodingEngine(model, options);
  try {
    return await readText(engine, new KeyValueCache(model.decoder, policy, 1), ids, chunk);
  } finally {
    await engine.dispose();
  }
}

/** Largest difference of two lists of rows. */
export function worst(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  let largest = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  a.forEach((row, i) => {
    row.forEach((value, j) => {
      largest = Math.max(largest, Math.abs(value - b[i]![j]!));
    });
  });
  return largest;
}
