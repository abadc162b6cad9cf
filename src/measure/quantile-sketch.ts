import { z } from 'zod';
import { InputError } from '../error.ts';

/** Upper bits of a float32 magnitude that name its bucket: 8 of exponent and 8 of mantissa, in ascending order. */
const shift = 15;
const buckets = 1 << 16;
/** The first bucket of normal numbers; those below 2^−126 count as 0. */
const leastNormal = 0x0080_0000 >>> shift;
const infinity = 0x7f80_0000 >>> shift;

/**
 * Quantiles of float32 magnitudes |x| in bounded memory (512 kB), with a stated relative error; merging is exact. A bucket holds the
 * magnitudes that share exponent and the first 8 bits of mantissa, [a, b) with b ≤ a (1 + 2^−8), and answers 2ab / (a + b).
 */
export class QuantileSketch {
  /** Largest |estimate − true| / true. */
  static readonly relativeError = 2 ** -9;
  #count = 0;
  readonly #buckets = new Float64Array(buckets);

  /** Magnitudes seen. */
  get count(): number {
    return this.#count;
  }

  /** Adds |x| of every value. Throws an InputError, adding nothing, when one is not finite. */
  add(values: Float32Array): this {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < bits.length; i++)
      if ((bits[i]! & 0x7fff_ffff) >>> shift >= infinity)
        throw new InputError(`quantile sketch: expected finite values, entry ${i} is ${values[i]}`);
    for (let i = 0; i < bits.length; i++) this.#buckets[(bits[i]! & 0x7fff_ffff) >>> shift]!++;
    this.#count += values.length;
    return this;
  }

  /** Adds the counts of another sketch. */
  merge(other: QuantileSketch): this {
    for (let i = 0; i < buckets; i++) this.#buckets[i]! += other.#buckets[i]!;
    this.#count += other.#count;
    return this;
  }

  /** Estimate of the magnitude of rank ⌊q (n − 1)⌋ in ascending order; q = 0.5 is the lower median. Throws an InputError when empty. */
  quantile(q: number): number {
    if (!(q >= 0 && q <= 1)) throw new InputError(`quantile sketch: q must lie in [0, 1], got ${q}`);
    if (this.#count === 0) throw new InputError('quantile sketch: no value was added');
    const rank = Math.floor(q * (this.#count - 1));
    let bucket = 0;
    for (let seen = this.#buckets[0]!; seen <= rank; ) seen += this.#buckets[++bucket]!;
    if (bucket < leastNormal) return 0;
    const [a, b] = new Float32Array(Uint32Array.of(bucket << shift, (bucket + 1) << shift).buffer);
    // The bucket below infinity ends at 2^128.
    const end = Number.isFinite(b!) ? b! : 2 ** 128;
    return (2 * a!) / (a! / end + 1);
  }

  toJSON(): QuantileSketchJson {
    const counts: [number, number][] = [];
    this.#buckets.forEach((count, bucket) => {
      if (count > 0) counts.push([bucket, count]);
    });
    return { relativeError: QuantileSketch.relativeError, buckets: counts };
  }

  /** Reads the JSON form; it is untrusted. Throws an InputError that names the first wrong field. */
  static fromJSON(json: unknown): QuantileSketch {
    const parsed = jsonForm.safeParse(json);
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      throw new InputError(`quantile sketch: ${issue.path.join('.') || 'JSON'}: ${issue.message}`);
    }
    const sketch = new QuantileSketch();
    for (const [bucket, count] of parsed.data.buckets) {
      if (sketch.#buckets[bucket]! > 0) throw new InputError(`quantile sketch: bucket ${bucket} comes twice`);
      sketch.#buckets[bucket] = count;
      sketch.#count += count;
    }
    if (!Number.isSafeInteger(sketch.#count)) throw new InputError('quantile sketch: counts are too large');
    return sketch;
  }
}

export interface QuantileSketchJson {
  relativeError: number;
  /** Bucket and its count, ascending, empty buckets left out. */
  buckets: [number, number][];
}

const jsonForm = z.strictObject({
  relativeError: z.literal(QuantileSketch.relativeError),
  buckets: z
    .array(
      z.tuple([
        z
          .int()
          .min(0)
          .max(infinity - 1),
        z.int().min(1),
      ]),
    )
    .max(buckets),
});
