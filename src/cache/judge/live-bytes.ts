import type { KeyValueCache } from '../key-value-cache.ts';
import type { Table } from '../table.ts';

/** For each list of entries of a table, how many caches of a layer and head it stands for. */
export function cachesOf(cache: KeyValueCache, table: Table): number {
  const { G } = cache.decoder.sizes;
  const banks = cache.layout.layers.flat().filter((bank) => bank.table === table.index);
  if (table.layout.heads !== undefined) return banks.length;
  return banks.reduce((total, { heads }) => total + (heads?.length ?? G), 0);
}

/** Bytes of the keys and values that the first text's caches hold in float32, without the room that is free. */
export function liveBytes(cache: KeyValueCache): number {
  const each = 8 * cache.decoder.sizes.D;
  const read = cache.lengths[0]!;
  return cache.tables.reduce((total, table) => {
    const pinned = Math.min(table.layout.pinned, read);
    const entries = table.lists[0]!.reduce((sum, { list }) => sum + pinned + list.length, 0);
    return total + entries * cachesOf(cache, table) * each;
  }, 0);
}
