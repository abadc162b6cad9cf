import { ShapeError } from '../error.ts';

/** A size: a number, the name of a dynamic dimension, or an expression made with `Dim`. */
export type Size = number | string | Dim;

/**
 * A size as a polynomial in named dimensions with integer coefficients, in normal form: `T + 1`, `B·T`, `2·S − 4`.
 * Two sizes are equal when their normal forms are; what cannot be decided while tracing is decided by the runtime.
 */
export class Dim {
  /** Monomial (names joined by `·`, sorted; '' for the constant) → coefficient, without zeros. */
  private constructor(private readonly terms: ReadonlyMap<string, number>) {}

  static of(size: Size): Dim {
    if (size instanceof Dim) return size;
    if (typeof size === 'string') {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(size)) throw new ShapeError(`size "${size}": expected a dimension name`);
      return new Dim(new Map([[size, 1]]));
    }
    if (!Number.isSafeInteger(size)) throw new ShapeError(`size ${size}: expected an integer`);
    return new Dim(size === 0 ? new Map() : new Map([['', size]]));
  }

  plus(other: Size): Dim {
    const terms = new Map(this.terms);
    for (const [monomial, coefficient] of Dim.of(other).terms) {
      const total = (terms.get(monomial) ?? 0) + coefficient;
      if (total === 0) terms.delete(monomial);
      else terms.set(monomial, total);
    }
    return new Dim(terms);
  }

  minus(other: Size): Dim {
    return this.plus(Dim.of(other).times(-1));
  }

  times(other: Size): Dim {
    let product = Dim.of(0);
    for (const [left, a] of this.terms)
      for (const [right, b] of Dim.of(other).terms) {
        const names = [...left.split('·'), ...right.split('·')].filter((name) => name !== '').sort();
        product = product.plus(new Dim(new Map([[names.join('·'), a * b]])));
      }
    return product;
  }

  equals(other: Size): boolean {
    return this.minus(other).terms.size === 0;
  }

  /** The number when no named dimension is left, else undefined. */
  get constant(): number | undefined {
    if (this.terms.size === 0) return 0;
    return this.terms.size === 1 ? this.terms.get('') : undefined;
  }

  private sorted: string[] | undefined;

  get names(): readonly string[] {
    this.sorted ??= [...new Set([...this.terms.keys()].flatMap((monomial) => monomial.split('·')))]
      .filter((n) => n !== '')
      .sort();
    return this.sorted;
  }

  private alone: string | undefined;

  /** The dimension that this is and nothing else, else undefined. Asked for at every run, so it is kept. */
  get single(): string | undefined {
    this.alone ??= this.terms.size === 1 && this.terms.get(this.names[0] ?? '·') === 1 ? this.names[0]! : '';
    return this.alone || undefined;
  }

  /** Value under the given sizes of the named dimensions; throws a ShapeError when one is missing. */
  evaluate(sizes: Readonly<Record<string, number>>): number {
    let total = 0;
    for (const [monomial, coefficient] of this.terms) {
      let product = coefficient;
      for (const name of monomial === '' ? [] : monomial.split('·')) {
        const size = sizes[name];
        if (size === undefined) throw new ShapeError(`size ${this}: dimension ${name} is not known`);
        product *= size;
      }
      total += product;
    }
    return total;
  }

  /** Sum of products, for a lowering that computes it: [coefficient, names][]. */
  get products(): [number, string[]][] {
    return [...this.terms]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([monomial, coefficient]) => [coefficient, monomial === '' ? [] : monomial.split('·')]);
  }

  toString(): string {
    if (this.terms.size === 0) return '0';
    const parts = [...this.terms].sort(([a], [b]) => (a === '' ? 1 : b === '' ? -1 : a < b ? -1 : 1));
    return parts
      .map(([monomial, c], i) => {
        const sign = c < 0 ? (i === 0 ? '−' : ' − ') : i === 0 ? '' : ' + ';
        const size = Math.abs(c);
        return sign + (monomial === '' ? `${size}` : size === 1 ? monomial : `${size}·${monomial}`);
      })
      .join('');
  }
}
