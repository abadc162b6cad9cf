import type { KeyValueCache } from '../key-value-cache.ts';
import type { Span, SpanLoss } from './policy-run.ts';

/** Watches when named tokens of the first text leave its caches. `shift` tokens stand in front of the text. */
export class SpanWatch {
  private readonly first: (number | null)[];
  private readonly all: (number | null)[];

  constructor(
    private readonly spans: readonly Span[],
    private readonly shift = 0,
  ) {
    this.first = spans.map(() => null);
    this.all = spans.map(() => null);
  }

  /** To be called after every step of a policy that looks at attention. */
  look(cache: KeyValueCache): void {
    const read = cache.lengths[0]!;
    this.spans.forEach(({ from, to }, i) => {
      if (read < to + this.shift || this.all[i] !== null) return;
      const size = to - from;
      let [whole, some] = [true, false];
      for (const { layout, lists } of cache.tables)
        for (const { list } of lists[0]!) {
          const held = heldOf(list, layout.pinned, from + this.shift, to + this.shift);
          whole &&= held === size;
          some ||= held > 0;
        }
      if (!whole) this.first[i] ??= read - this.shift;
      if (!some) this.all[i] = read - this.shift;
    });
  }

  found(): SpanLoss[] {
    return this.spans.map((span, i) => ({ ...span, firstLost: this.first[i]!, allLost: this.all[i]! }));
  }
}

function heldOf(list: readonly { readonly token: number }[], pinned: number, from: number, to: number): number {
  let held = Math.max(0, Math.min(pinned, to) - from);
  for (const { token } of list) if (token >= from && token < to) held++;
  return held;
}

/** The same for policies that look at places only, or never evict: known beforehand. Losses after `total` tokens are none. */
export function plannedLosses(spans: readonly Span[], cache: KeyValueCache, total: number, shift = 0): SpanLoss[] {
  const { policy, tables } = cache;
  const unseen = (token: number, table: number) =>
    token < tables[table]!.layout.pinned
      ? Number.POSITIVE_INFINITY
      : (policy.lastQuery?.(token, table) ?? Infinity) + 1;
  const known = (token: number) => (token - shift < total ? token - shift : null);
  return spans.map((span) => {
    let [first, all] = [Number.POSITIVE_INFINITY, 0];
    for (let token = span.from + shift; token < span.to + shift; token++)
      for (const { index } of tables) {
        first = Math.min(first, unseen(token, index));
        all = Math.max(all, unseen(token, index));
      }
    return { ...span, firstLost: known(first), allLost: known(all) };
  });
}
