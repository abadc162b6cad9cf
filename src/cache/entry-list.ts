/** What is known of one entry. */
export interface Entry {
  /** Index in the text. */
  readonly token: number;
  /** Where its key and value lie in the cache. */
  readonly slot: number;
  /** Last query that may see it. */
  readonly last: number;
  /** Position that its key is rotated to. */
  position: number;
  /** Attention received since it came. */
  sum: number;
}

/** Entries in the order of the text, and the slots that are free. Eviction frees a slot; no key or value is moved. */
export class EntryList {
  list: Entry[] = [];
  private free: number[];

  constructor(private capacity: number) {
    this.free = Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
  }

  /** Free slots. */
  get room(): number {
    return this.free.length;
  }

  /** Keeps the entries of these ranks, in the order given. Returns those that go, whose slots are free. */
  retain(ranks: readonly number[]): readonly Entry[] {
    if (ranks.length === this.list.length && ranks.every((rank, i) => rank === i)) return [];
    const kept = new Uint8Array(this.list.length);
    for (const rank of ranks) kept[rank] = 1;
    const gone = this.list.filter((_, rank) => !kept[rank]);
    for (const { slot } of gone) this.free.push(slot);
    this.list = ranks.map((rank) => this.list[rank]!);
    return gone;
  }

  /** Adds a token at its own position; there must be room. Returns its slot. */
  add(token: number, last: number, sum: number): number {
    const slot = this.free.pop()!;
    this.list.push({ token, slot, last, position: token, sum });
    return slot;
  }

  /** Another number of slots, at least as many as there are entries, which take the first ones in order. */
  resize(capacity: number): void {
    this.capacity = capacity;
    this.restore(this.list.map((entry, slot) => ({ ...entry, slot })));
  }

  /** Puts entries back as they were saved. */
  restore(list: readonly Entry[]): void {
    const used = new Set(list.map(({ slot }) => slot));
    this.list = list.map((entry) => ({ ...entry }));
    this.free = Array.from({ length: this.capacity }, (_, i) => this.capacity - 1 - i).filter(
      (slot) => !used.has(slot),
    );
  }
}
