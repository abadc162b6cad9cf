/** Builds small GGUF files for tests: float32 tensors, or raw bytes of another type; nothing is checked. */
export type Meta =
  | string
  | number
  | boolean
  | { float: number }
  | { u64: bigint }
  | { strings: string[] }
  | { ints: number[] }
  | { bools: boolean[] };

export interface GgufTensor {
  readonly name: string;
  /** Slowest first, as Hugging Face writes it. */
  readonly shape: readonly number[];
  readonly values: Float32Array | Uint8Array;
  readonly type?: number;
  readonly offset?: number;
}

class Writer {
  parts: number[] = [];
  #scratch = new DataView(new ArrayBuffer(8));
  #push(bytes: number): void {
    for (let i = 0; i < bytes; i++) this.parts.push(this.#scratch.getUint8(i));
  }
  u32(value: number): void {
    this.#scratch.setUint32(0, value, true);
    this.#push(4);
  }
  u64(value: number | bigint): void {
    this.#scratch.setBigUint64(0, BigInt(value), true);
    this.#push(8);
  }
  f32(value: number): void {
    this.#scratch.setFloat32(0, value, true);
    this.#push(4);
  }
  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    for (const byte of bytes) this.parts.push(byte);
  }
}

function writeMeta(out: Writer, value: Meta): void {
  if (typeof value === 'string') {
    out.u32(8);
    out.string(value);
  } else if (typeof value === 'number') {
    out.u32(4);
    out.u32(value);
  } else if (typeof value === 'boolean') {
    out.u32(7);
    out.parts.push(value ? 1 : 0);
  } else if ('float' in value) {
    out.u32(6);
    out.f32(value.float);
  } else if ('u64' in value) {
    out.u32(10);
    out.u64(value.u64);
  } else if ('strings' in value) {
    out.u32(9);
    out.u32(8);
    out.u64(value.strings.length);
    for (const text of value.strings) out.string(text);
  } else if ('bools' in value) {
    out.u32(9);
    out.u32(7);
    out.u64(value.bools.length);
    for (const one of value.bools) out.parts.push(one ? 1 : 0);
  } else {
    out.u32(9);
    out.u32(4);
    out.u64(value.ints.length);
    for (const number of value.ints) out.u32(number);
  }
}

export function buildGguf(metadata: readonly (readonly [string, Meta])[], tensors: readonly GgufTensor[]): Uint8Array {
  const out = new Writer();
  out.u32(0x46554747);
  out.u32(3);
  out.u64(tensors.length);
  out.u64(metadata.length);
  for (const [key, value] of metadata) {
    out.string(key);
    writeMeta(out, value);
  }
  let offset = 0;
  for (const { name, shape, values, type, offset: forced } of tensors) {
    out.string(name);
    out.u32(shape.length);
    for (const size of [...shape].reverse()) out.u64(size);
    out.u32(type ?? 0);
    out.u64(forced ?? offset);
    offset += Math.ceil(values.byteLength / 32) * 32;
  }
  while (out.parts.length % 32 !== 0) out.parts.push(0);
  const bytes = new Uint8Array(out.parts.length + offset);
  bytes.set(out.parts);
  let at = out.parts.length;
  for (const { values } of tensors) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += Math.ceil(values.byteLength / 32) * 32;
  }
  return bytes;
}
