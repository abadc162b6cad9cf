import { LoadError } from '../../error.ts';
import { quote } from '../strict-json.ts';

/** A metadata value; integers beyond 2^53 stay bigint. */
export type GgufValue =
  | number
  | bigint
  | boolean
  | string
  | readonly (number | bigint)[]
  | readonly boolean[]
  | readonly string[];

/** The bytes at hand end before the value does: read more of the file, or give up at its end. */
export class OutOfBytes extends Error {}

/** Elements of all arrays of one header together: 8 bytes each in memory. */
const mostElements = 8_000_000;

/** Bytes of the metadata types by number; 0 marks string (8) and array (9). */
const widths = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const stringType = 8;
const arrayType = 9;

/** Reads the little-endian values of a GGUF header one after the other, never beyond the bytes it was given. */
export class GgufCursor {
  at = 0;
  #elements = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  /** `size` is that of the whole file, of which `bytes` is the beginning. */
  constructor(
    bytes: Uint8Array<ArrayBuffer>,
    readonly size: number,
    readonly place: string,
  ) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  /** Steps over `count` bytes and returns where they began. */
  #step(count: number): number {
    const from = this.at;
    if (from + count > this.#bytes.length) throw new OutOfBytes();
    this.at = from + count;
    return from;
  }

  u32(): number {
    return this.#view.getUint32(this.#step(4), true);
  }

  /** A 64-bit count, size or offset. */
  u64(what: string): number {
    const value = this.#view.getBigUint64(this.#step(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new LoadError(`${this.place}: ${what} is ${value}, beyond any file`);
    return Number(value);
  }

  string(what: string): string {
    const length = this.u64(`the length of ${what}`);
    if (length > this.size - this.at) {
      throw new LoadError(
        `${this.place}: ${what} is said to have ${length} bytes, the file has ${this.size - this.at} left`,
      );
    }
    const from = this.#step(length);
    try {
      return this.#utf8.decode(this.#bytes.subarray(from, from + length));
    } catch {
      throw new LoadError(`${this.place}: ${what} at byte ${from} is not valid UTF-8`);
    }
  }

  /** A metadata value with its type in front. */
  value(key: string): GgufValue {
    const type = this.u32();
    if (type === arrayType) return this.#array(key);
    return this.#scalar(type, key);
  }

  #array(key: string): GgufValue {
    const type = this.u32();
    const count = this.u64(`the length of ${quote(key)}`);
    if (type === arrayType)
      throw new LoadError(`${this.place}: metadata ${quote(key)} is an array of arrays, expected plain values`);
    const least = type === stringType ? 8 : (widths[type] ?? 1);
    this.#elements += count;
    if (count * least > this.size - this.at || this.#elements > mostElements) {
      throw new LoadError(
        `${this.place}: metadata ${quote(key)} is said to have ${count} elements, too many for the file`,
      );
    }
    const values: unknown[] = [];
    const what = `metadata ${quote(key)}`;
    if (type === stringType) for (let i = 0; i < count; i++) values.push(this.string(what));
    else for (let i = 0; i < count; i++) values.push(this.#scalar(type, key));
    return values as GgufValue;
  }

  #scalar(type: number, key: string): number | bigint | boolean | string {
    if (type === stringType) return this.string(`metadata ${quote(key)}`);
    const width = widths[type];
    if (width === undefined) throw new LoadError(`${this.place}: metadata ${quote(key)} has the unknown type ${type}`);
    const from = this.#step(width);
    const view = this.#view;
    switch (type) {
      case 0:
        return view.getUint8(from);
      case 1:
        return view.getInt8(from);
      case 2:
        return view.getUint16(from, true);
      case 3:
        return view.getInt16(from, true);
      case 4:
        return view.getUint32(from, true);
      case 5:
        return view.getInt32(from, true);
      case 6:
        return view.getFloat32(from, true);
      case 7: {
        const byte = view.getUint8(from);
        if (byte > 1) throw new LoadError(`${this.place}: metadata ${quote(key)} must be 0 or 1, got ${byte}`);
        return byte === 1;
      }
      case 12:
        return view.getFloat64(from, true);
      default: {
        const wide = type === 10 ? view.getBigUint64(from, true) : view.getBigInt64(from, true);
        return Number.isSafeInteger(Number(wide)) ? Number(wide) : wide;
      }
    }
  }
}
