import { Float16Array } from '@petamoriken/float16';

let table: Float32Array | undefined;

/** float32 value of every float16 bit pattern: a look-up is the fastest exact conversion. */
export function halfTable(): Float32Array {
  table ??= Float32Array.from(new Float16Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer));
  return table;
}

/** IEEE half precision to float32, exact. */
export function decodeHalf(bits: Uint16Array, out: Float32Array): void {
  const values = halfTable();
  for (let i = 0; i < bits.length; i++) out[i] = values[bits[i]!]!;
}

/** bfloat16 to float32, exact: the upper half of the float32's bits. */
export function decodeBfloat16(bits: Uint16Array, out: Float32Array): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
}

/** float32 to half precision, to the nearest, ties to even; beyond 65,504 infinite. */
export function encodeHalf(values: Float32Array): Uint16Array<ArrayBuffer> {
  return new Uint16Array(new Float16Array(values).buffer as ArrayBuffer);
}
