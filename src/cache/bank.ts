import type { Rotary } from '../attention/positions/rope.ts';
import type { HostTensor } from '../runtime/backend.ts';
import { rotateKey } from './rotate-key.ts';

export interface BankSizes {
  readonly B: number;
  /** Key/value heads of the bank. */
  readonly G: number;
  readonly D: number;
  readonly pinned: number;
  readonly entries: number;
}

/** Keys and values of one new step, [L, B, G, T, D]. */
export interface NewKeysAndValues {
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly T: number;
}

/** One token of what was run. */
interface Ran {
  /** Place of its text among those that ran, and how many these were. */
  readonly ranRow: number;
  readonly rowsRun: number;
  /** Which of the T new tokens. */
  readonly t: number;
}

/** Where one token's key and value are copied from and to. */
export interface Copy extends Ran {
  /** Text of the batch. */
  readonly row: number;
  readonly slot: number;
}

/** Keys and values of some heads of one layer in typed arrays, [B, G, C, D], with those that are pinned beside them. */
export class Bank {
  k: Float32Array<ArrayBuffer>;
  v: Float32Array<ArrayBuffer>;
  readonly pinnedK: Float32Array<ArrayBuffer>;
  readonly pinnedV: Float32Array<ArrayBuffer>;
  /** Keys as they came, once one of them has been turned: turning what was turned before would add up rounding. */
  private original: Float32Array<ArrayBuffer> | undefined;
  /** By text and number of texts; arrays are written in place, so what is fed stays the same until they are replaced. */
  private readonly fed = new Map<string, Readonly<Record<string, HostTensor>>>();

  constructor(
    readonly layer: number,
    readonly index: number,
    /** Heads of the model, in the order of the bank's. */
    readonly heads: readonly number[],
    private sizes: BankSizes,
    private readonly modelHeads: number,
    private readonly rotary: Rotary | undefined,
  ) {
    const { B, G, D, pinned, entries } = sizes;
    [this.k, this.v] = [new Float32Array(B * G * entries * D), new Float32Array(B * G * entries * D)];
    [this.pinnedK, this.pinnedV] = [new Float32Array(B * G * pinned * D), new Float32Array(B * G * pinned * D)];
  }

  get bytes(): number {
    return (
      this.k.byteLength +
      this.v.byteLength +
      this.pinnedK.byteLength +
      this.pinnedV.byteLength +
      (this.original?.byteLength ?? 0)
    );
  }

  /** What a program is fed for texts `row` to `row + count`. */
  feeds(row: number, count: number): Readonly<Record<string, HostTensor>> {
    const known = this.fed.get(`${row} ${count}`);
    if (known) return known;
    const { G, D, pinned, entries } = this.sizes;
    const part = (data: Float32Array, size: number): HostTensor => ({
      reused: true,
      type: 'float32',
      shape: [count, G, size, D],
      data: data.subarray(row * G * size * D, (row + count) * G * size * D),
    });
    const at = `${this.layer}_${this.index}`;
    const feeds = {
      [`k${at}`]: part(this.k, entries),
      [`v${at}`]: part(this.v, entries),
      ...(pinned > 0
        ? { [`pinned_k${at}`]: part(this.pinnedK, pinned), [`pinned_v${at}`]: part(this.pinnedV, pinned) }
        : {}),
    };
    this.fed.set(`${row} ${count}`, feeds);
    return feeds;
  }

  /** Copies a new token's key and value into a slot, of all heads of the bank or of one. */
  write(
    made: NewKeysAndValues,
    { row, ranRow, rowsRun, t, slot }: Copy,
    place: 'pinned' | 'entries',
    head?: number,
  ): void {
    const { G, D } = this.sizes;
    const size = this.sizes[place];
    const [toK, toV] = place === 'pinned' ? [this.pinnedK, this.pinnedV] : [this.k, this.v];
    for (let g = 0; g < G; g++) {
      if (head !== undefined && g !== head) continue;
      const from = this.madeAt(made, { ranRow, rowsRun, t }, g);
      const to = ((row * G + g) * size + slot) * D;
      const key = made.k.subarray(from, from + D);
      toK.set(key, to);
      toV.set(made.v.subarray(from, from + D), to);
      if (place === 'entries') this.original?.set(key, to);
    }
  }

  /** Where a head's key and value of a new token begin among what the step made. */
  private madeAt({ T }: NewKeysAndValues, { ranRow, rowsRun, t }: Ran, head: number): number {
    return (((this.layer * rowsRun + ranRow) * this.modelHeads + this.heads[head]!) * T + t) * this.sizes.D;
  }

  /** Where a head's key and value in a slot begin. */
  private slotAt(row: number, head: number, slot: number): number {
    const { G, D, entries } = this.sizes;
    return ((row * G + head) * entries + slot) * D;
  }

  /** Value in a slot, [D]. */
  value(row: number, head: number, slot: number): Float32Array {
    const at = this.slotAt(row, head, slot);
    return this.v.subarray(at, at + this.sizes.D);
  }

  /** Value of a new token, [D]. */
  newValue(made: NewKeysAndValues, which: Ran, head: number): Float32Array {
    const at = this.madeAt(made, which, head);
    return made.v.subarray(at, at + this.sizes.D);
  }

  /** Turns the key in a slot from where it stood in the text by `distance` positions. Nothing to do without RoPE. */
  turn(row: number, slot: number, distance: number, head?: number): void {
    if (!this.rotary) return;
    this.original ??= this.k.slice();
    const { G, D } = this.sizes;
    for (let g = 0; g < G; g++) {
      if (head !== undefined && g !== head) continue;
      const at = this.slotAt(row, g, slot);
      rotateKey(this.original, at, this.k, at, D, distance, this.rotary);
    }
  }

  /** Makes room for another number of entries; `from` gives, for each text and head, the old slot of each new one, in order. */
  resize(entries: number, from: (row: number, head: number) => readonly number[]): void {
    const { B, G, D, entries: before } = this.sizes;
    const moved = (data: Float32Array) => {
      const to = new Float32Array(B * G * entries * D);
      for (let row = 0; row < B; row++)
        for (let g = 0; g < G; g++)
          from(row, g).forEach((old, slot) => {
            const start = ((row * G + g) * before + old) * D;
            to.set(data.subarray(start, start + D), ((row * G + g) * entries + slot) * D);
          });
      return to;
    };
    [this.k, this.v] = [moved(this.k), moved(this.v)];
    if (this.original) this.original = moved(this.original);
    this.sizes = { ...this.sizes, entries };
    this.fed.clear();
  }

  /** Everything that must be kept to go on later, by name. */
  saved(): Record<string, Float32Array<ArrayBuffer>> {
    const { k, v, pinnedK, pinnedV, original } = this;
    return { k, v, ...(original ? { original } : {}), ...(pinnedK.length > 0 ? { pinnedK, pinnedV } : {}) };
  }

  /** Puts back what `saved` gave; lengths have been checked. */
  restore(saved: Readonly<Record<string, Float32Array>>): void {
    this.k.set(saved.k!);
    this.v.set(saved.v!);
    if (saved.original) this.original = saved.original.slice() as Float32Array<ArrayBuffer>;
    if (saved.pinnedK) {
      this.pinnedK.set(saved.pinnedK);
      this.pinnedV.set(saved.pinnedV!);
    }
  }
}
