import { z } from 'zod';
import { InputError } from '../error.ts';

const smallest = 2 ** -149; // least positive float32
const largest = 3.4028234663852886e38; // greatest finite float32

/**
 * Quantiles of magnitudes |x| in bounded memory, with a stated relative error; merging is exact (DDSketch, 1908.10693). Bucket i counts
 * the magnitudes in (γ^(i−1), γ^i], γ = (1 + a) / (1 − a), and answers 2γ^i / (γ + 1), which is within a share `a` of all of them.
 * The range is float32; smaller magnitudes count as 0. About 19,000 buckets (150 kB) at the default a = 0.005.
 */
export class QuantileSketch {
  /** Largest |estimate − true| / true. */
  readonly relativeError: number;
  #count = 0;
  #zeros = 0;
  readonly #lowest: number;
  readonly #buckets: Float64Array;
  readonly #scale: number;

  /** Throws an InputError unless relativeError lies in [0.0005, 0.5]. */
  constructor(relativeError = 0.005) {
    if (!(relativeError >= 0.0005 && relativeError <= 0.5)) {
      throw new InputError(`quantile sketch: relative error must lie in [0.0005, 0.5], got ${relativeError}`);
    }
    this.relativeError = relativeError;
    this.#scale = 1 / Math.log((1 + relativeError) / (1 - relativeError));
    this.#lowest = this.#bucketOf(smallest);
    this.#buckets = new Float64Array(this.#bucketOf(largest) - this.#lowest + 1);
  }

  /** Magnitudes seen. */
  get count(): number {
    return this.#count;
  }

  /** Adds |x| of every value. Throws an InputError, adding nothing, when one is not finite or beyond float32. */
  add(values: ArrayLike<number>): this {
    for (let i = 0; i < values.length; i++) {
      if (!(Math.abs(values[i]!) <= largest)) {
        throw new InputError(`quantile sketch: expected finite float32 values, entry ${i} is ${values[i]}`);
      }
    }
    for (let i = 0; i < values.length; i++) {
      const magnitude = Math.abs(values[i]!);
      if (magnitude < smallest) this.#zeros++;
      else this.#buckets[this.#bucketOf(magnitude) - this.#lowest]!++;
    }
    this.#count += values.length;
    return this;
  }

  /** Adds the counts of another sketch. Throws an InputError when its relative error differs. */
  merge(other: QuantileSketch): this {
    if (other.relativeError !== this.relativeError) {
      const both = `${this.relativeError} and ${other.relativeError}`;
      throw new InputError(`quantile sketch: sketches with relative errors ${both} cannot be merged`);
    }
    for (let i = 0; i < this.#buckets.length; i++) this.#buckets[i]! += other.#buckets[i]!;
    this.#zeros += other.#zeros;
    this.#count += other.#count;
    return this;
  }

  /** Estimate of the magnitude of rank ⌊q (n − 1)⌋ in ascending order; q = 0.5 is the lower median. Throws an InputError when empty. */
  quantile(q: number): number {
    if (!(q >= 0 && q <= 1)) throw new InputError(`quantile sketch: q must lie in [0, 1], got ${q}`);
    if (this.#count === 0) throw new InputError('quantile sketch: no value was added');
    const rank = Math.floor(q * (this.#count - 1));
    let seen = this.#zeros;
    if (rank < seen) return 0;
    for (let i = 0; i < this.#buckets.length; i++) {
      seen += this.#buckets[i]!;
      if (rank < seen) return Math.exp((i + this.#lowest) / this.#scale) * (1 - this.relativeError); // 2 / (γ + 1) = 1 − a
    }
    throw new Error('quantile sketch: counts do not add up');
  }

  toJSON(): QuantileSketchJson {
    const buckets: [number, number][] = [];
    this.#buckets.forEach((count, i) => {
      if (count > 0) buckets.push([i + this.#lowest, count]);
    });
    return { relativeError: this.relativeError, zeros: this.#zeros, buckets };
  }

  /** Reads the JSON form; it is untrusted. Throws an InputError that names the first wrong field. */
  static fromJSON(json: unknown): QuantileSketch {
    const parsed = jsonForm.safeParse(json);
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      throw new InputError(`quantile sketch: ${issue.path.join('.') || 'JSON'}: ${issue.message}`);
    }
    const sketch = new QuantileSketch(parsed.data.relativeError);
    sketch.#zeros = parsed.data.zeros;
    sketch.#count = parsed.data.zeros;
    for (const [bucket, count] of parsed.data.buckets) {
      const i = bucket - sketch.#lowest;
      if (i < 0 || i >= sketch.#buckets.length)
        throw new InputError(`quantile sketch: bucket ${bucket} is out of range`);
      if (sketch.#buckets[i]! > 0) throw new InputError(`quantile sketch: bucket ${bucket} comes twice`);
      sketch.#buckets[i] = count;
      sketch.#count += count;
    }
    if (!Number.isSafeInteger(sketch.#count)) throw new InputError('quantile sketch: counts are too large');
    return sketch;
  }

  #bucketOf(magnitude: number): number {
    return Math.ceil(Math.log(magnitude) * this.#scale);
  }
}

export interface QuantileSketchJson {
  relativeError: number;
  zeros: number;
  /** Bucket index and its count, ascending, empty buckets left out. */
  buckets: [number, number][];
}

const jsonForm = z.strictObject({
  relativeError: z.number().min(0.0005).max(0.5),
  zeros: z.int().min(0),
  buckets: z.array(z.tuple([z.int(), z.int().min(1)])).max(200_000),
});
