import type { KeyValueCache } from '../key-value-cache.ts';
import { cachesOf } from './live-bytes.ts';
import type { KeptRun } from './policy-run.ts';

/** Which tokens the first text's caches hold, as runs of tokens that the same share of them holds; `shift` is taken from every index. */
export function keptRuns(cache: KeyValueCache, shift = 0): KeptRun[] {
  const held = new Map<number, number>();
  let all = 0;
  for (const table of cache.tables) {
    const each = cachesOf(cache, table);
    const { pinned } = table.layout;
    for (const { list } of table.lists[0]!) {
      all += each;
      for (let token = 0; token < Math.min(pinned, cache.lengths[0]!); token++)
        held.set(token, (held.get(token) ?? 0) + each);
      for (const { token } of list) held.set(token, (held.get(token) ?? 0) + each);
    }
  }
  const runs: KeptRun[] = [];
  for (const [token, count] of [...held].sort(([a], [b]) => a - b)) {
    const share = Math.max(1, Math.round((10 * count) / all)) / 10;
    const last = runs.at(-1);
    if (last && last[1] === token - shift && last[2] === share) last[1]++;
    else runs.push([token - shift, token - shift + 1, share]);
  }
  return runs;
}
