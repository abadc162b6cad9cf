import type { HostTensor } from '../runtime/backend.ts';
import { EntryList } from './entry-list.ts';
import type { TableLayout } from './layout.ts';

/** Where there is no entry: after every query, so that the causal mask hides it. */
const nowhere = 2n ** 40n;
export const forEver = Number.MAX_SAFE_INTEGER;

/** Where the entries of some banks stand, for every text, and for every head where these keep tokens of their own. */
export class Table {
  /** By text, then by head; one for all heads where they share. */
  readonly lists: readonly (readonly EntryList[])[];
  private keys: BigInt64Array;
  private expires: BigInt64Array;

  constructor(
    readonly index: number,
    readonly layout: TableLayout,
    private readonly B: number,
    private size = layout.entries,
  ) {
    const keepers = layout.heads ?? 1;
    this.lists = Array.from({ length: B }, () => Array.from({ length: keepers }, () => new EntryList(size)));
    this.keys = new BigInt64Array(B * keepers * size).fill(nowhere);
    this.expires = new BigInt64Array(B * keepers * size).fill(BigInt(forEver));
  }

  /** Slots of each list. */
  get entries(): number {
    return this.size;
  }

  /** Entries of its longest list. */
  get most(): number {
    return Math.max(...this.lists.map((_, row) => this.longest(row)));
  }

  /** Entries of the longest list of one text. */
  longest(row: number): number {
    return Math.max(...this.lists[row]!.map(({ list }) => list.length));
  }

  /** What a program is fed for texts `row` to `row + count`, before their tokens `starts`. */
  feeds(row: number, count: number, starts: readonly number[], expiring: boolean): Record<string, HostTensor> {
    const { heads, pinned } = this.layout;
    const width = (heads ?? 1) * this.size;
    const shape = heads === undefined ? [count, this.size] : [count, heads, this.size];
    const part = (data: BigInt64Array): HostTensor => ({
      type: 'int64',
      shape,
      data: data.subarray(row * width, (row + count) * width),
    });
    const t = this.index;
    return {
      [`keys${t}`]: part(this.keys),
      ...(expiring ? { [`expires${t}`]: part(this.expires) } : {}),
      ...(pinned > 0
        ? {
            [`pinned_keys${t}`]: {
              type: 'int64' as const,
              shape: [count, pinned],
              data: BigInt64Array.from({ length: count * pinned }, (_, i) => {
                const place = i % pinned;
                return place < starts[Math.floor(i / pinned)]! ? BigInt(place) : nowhere;
              }),
            },
          }
        : {}),
    };
  }

  private at(row: number, keeper: number, slot: number): number {
    return (row * (this.layout.heads ?? 1) + keeper) * this.size + slot;
  }

  /** Writes down what a list says of its slots. */
  place(
    row: number,
    keeper: number,
    slot: number,
    entry: { readonly position: number; readonly last: number } | undefined,
  ) {
    const at = this.at(row, keeper, slot);
    this.keys[at] = entry ? BigInt(entry.position) : nowhere;
    this.expires[at] = BigInt(entry?.last ?? forEver);
  }

  /** Another number of slots; entries take the first, in order. Returns the old slots by text and head. */
  resize(entries: number): (row: number, keeper: number) => readonly number[] {
    const before = this.lists.map((row) => row.map(({ list }) => list.map(({ slot }) => slot)));
    this.size = entries;
    const keepers = this.layout.heads ?? 1;
    this.keys = new BigInt64Array(this.B * keepers * entries).fill(nowhere);
    this.expires = new BigInt64Array(this.B * keepers * entries).fill(BigInt(forEver));
    this.lists.forEach((row, b) => {
      row.forEach((entryList, h) => {
        entryList.resize(entries);
        for (const entry of entryList.list) this.place(b, h, entry.slot, entry);
      });
    });
    return (row, keeper) => before[row]![keepers === 1 ? 0 : keeper]!;
  }
}
