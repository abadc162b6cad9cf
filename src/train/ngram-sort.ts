/**
 * Ends of all n-grams of a text, sorted by their last token, then the one before, and so on: n-grams that share their last k tokens stand together.
 * One counting sort per token, the first token first.
 *
 * @param padded the tokens with n − 1 others in front; an n-gram may begin among those.
 * @param symbols tokens are below this.
 * @returns indices into `padded`; 4 bytes per token, twice that while it runs.
 */
export function sortedEnds(padded: Uint16Array | Uint32Array, n: number, symbols: number): Int32Array {
  const size = padded.length - (n - 1);
  let from = new Int32Array(size);
  let to = new Int32Array(size);
  for (let i = 0; i < size; i++) from[i] = i + n - 1;
  const next = new Int32Array(symbols + 1);
  for (let back = n - 1; back >= 0; back--) {
    next.fill(0);
    for (let i = n - 1 - back; i < padded.length - back; i++) next[padded[i]! + 1]! += 1;
    for (let symbol = 1; symbol <= symbols; symbol++) next[symbol]! += next[symbol - 1]!;
    for (let i = 0; i < size; i++) {
      const end = from[i]!;
      to[next[padded[end - back]!]!++] = end;
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Different k-grams of a text, found by where one ends (open addressing, no k-gram is stored). */
export class GramTable {
  /** Different k-grams so far. */
  size = 0;
  readonly #k: number;
  readonly #padded: Uint16Array | Uint32Array;
  readonly #slots: Int32Array;
  readonly #ends: Int32Array;

  /** @param capacity k-grams added at most. */
  constructor(padded: Uint16Array | Uint32Array, k: number, capacity: number) {
    this.#k = k;
    this.#padded = padded;
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * capacity + 2)));
    this.#ends = new Int32Array(capacity);
  }

  /** Number of the k-gram that ends at `end` of the text itself. */
  add(end: number): number {
    const slot = this.#slot(this.#padded, end);
    if (this.#slots[slot] === 0) {
      this.#ends[this.size] = end;
      this.#slots[slot] = ++this.size;
    }
    return this.#slots[slot]! - 1;
  }

  /** Number of the k-gram that ends at `end` of another text, or −1. */
  find(other: Uint16Array | Uint32Array, end: number): number {
    return this.#slots[this.#slot(other, end)]! - 1;
  }

  #slot(text: Uint16Array | Uint32Array, end: number): number {
    const mask = this.#slots.length - 1;
    let hash = 0;
    for (let i = 0; i < this.#k; i++) {
      hash = Math.imul(hash ^ text[end - i]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const held = this.#slots[slot]!;
      if (held === 0 || this.#same(text, end, this.#ends[held - 1]!)) return slot;
    }
  }

  #same(text: Uint16Array | Uint32Array, end: number, own: number): boolean {
    for (let i = 0; i < this.#k; i++) if (text[end - i] !== this.#padded[own - i]) return false;
    return true;
  }
}
