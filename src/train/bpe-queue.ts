/** Pairs with their counts, the highest count first, then the smallest key (a binary heap). */
export class PairQueue {
  readonly #keys: number[] = [];
  readonly #counts: number[] = [];

  push(key: number, count: number): void {
    let at = this.#keys.length;
    this.#keys.push(key);
    this.#counts.push(count);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  pop(): { readonly key: number; readonly count: number } | undefined {
    const size = this.#keys.length;
    if (size === 0) return undefined;
    this.#swap(0, size - 1);
    const top = { key: this.#keys.pop()!, count: this.#counts.pop()! };
    for (let at = 0; ; ) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < size - 1 && this.#before(child, first)) first = child;
      if (first === at) return top;
      this.#swap(at, first);
      at = first;
    }
  }

  #before(a: number, b: number): boolean {
    const difference = this.#counts[a]! - this.#counts[b]!;
    return difference > 0 || (difference === 0 && this.#keys[a]! < this.#keys[b]!);
  }

  #swap(a: number, b: number): void {
    const [keys, counts] = [this.#keys, this.#counts];
    [keys[a], keys[b]] = [keys[b]!, keys[a]!];
    [counts[a], counts[b]] = [counts[b]!, counts[a]!];
  }
}
