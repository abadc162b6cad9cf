/**
 * Second, naive parsers for tests: no checks beyond what they stumble over. What the real readers accept must mean the same here.
 * They return undefined where they stumble.
 */
export interface NaiveTensor {
  readonly shape: number[];
  readonly values: number[];
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

function element(view: DataView, dtype: string, at: number): number {
  switch (dtype) {
    case 'F64':
      return Math.fround(view.getFloat64(at, true));
    case 'F32':
      return view.getFloat32(at, true);
    case 'F16':
      return halfToNumber(view.getUint16(at, true));
    case 'BF16': {
      const word = new DataView(new ArrayBuffer(4));
      word.setUint16(2, view.getUint16(at, true), true);
      return word.getFloat32(0, true);
    }
    case 'I64':
      return Number(view.getBigInt64(at, true));
    case 'I32':
      return view.getInt32(at, true);
    case 'I16':
      return view.getInt16(at, true);
    case 'I8':
      return view.getInt8(at);
    default:
      return view.getUint8(at);
  }
}

const widths: Record<string, number> = {
  F64: 8,
  I64: 8,
  F32: 4,
  I32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

export function naiveSafetensors(bytes: Uint8Array): Map<string, NaiveTensor> | undefined {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = view.getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    const tensors = new Map<string, NaiveTensor>();
    for (const name of Object.keys(header)) {
      if (name === '__metadata__') continue;
      const { dtype, shape, data_offsets: offsets } = header[name];
      const count = shape.reduce((product: number, size: number) => product * size, 1);
      const values: number[] = [];
      for (let i = 0; i < count; i++) values.push(element(view, dtype, 8 + length + offsets[0] + i * widths[dtype]!));
      tensors.set(name, { shape, values });
    }
    return tensors;
  } catch {
    return undefined;
  }
}

export interface NaiveGguf {
  readonly metadata: Map<string, unknown>;
  readonly tensors: Map<string, { shape: number[]; type: number; at: number }>;
}

export function naiveGguf(bytes: Uint8Array): NaiveGguf | undefined {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 8;
    const step = (count: number) => {
      at += count;
      return at - count;
    };
    const u32 = () => view.getUint32(step(4), true);
    const u64 = () => Number(view.getBigUint64(step(8), true));
    const text = () => {
      const length = u64();
      at += length;
      if (at > bytes.length) throw new RangeError();
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(at - length, at));
    };
    const value = (type: number): unknown => {
      if (type === 8) return text();
      if (type === 9) {
        const inner = u32();
        return Array.from({ length: u64() }, () => value(inner));
      }
      const readers: (() => unknown)[] = [
        () => view.getUint8(step(1)),
        () => view.getInt8(step(1)),
        () => view.getUint16(step(2), true),
        () => view.getInt16(step(2), true),
        u32,
        () => view.getInt32(step(4), true),
        () => view.getFloat32(step(4), true),
        () => view.getUint8(step(1)) !== 0,
      ];
      if (type < 8) return readers[type]!();
      if (type === 12) return view.getFloat64(step(8), true);
      at += 8;
      const wide = type === 10 ? view.getBigUint64(at - 8, true) : view.getBigInt64(at - 8, true);
      return Number.isSafeInteger(Number(wide)) ? Number(wide) : wide;
    };
    const [tensorCount, keyCount] = [u64(), u64()];
    const metadata = new Map<string, unknown>();
    for (let i = 0; i < keyCount; i++) metadata.set(text(), value(u32()));
    const found: [string, number[], number, number][] = [];
    for (let i = 0; i < tensorCount; i++) {
      const name = text();
      const shape = Array.from({ length: u32() }, u64).reverse();
      found.push([name, shape, u32(), u64()]);
    }
    const alignment = Number(metadata.get('general.alignment') ?? 32);
    const start = Math.ceil(at / alignment) * alignment;
    const tensors = new Map(found.map(([name, shape, type, offset]) => [name, { shape, type, at: start + offset }]));
    return { metadata, tensors };
  } catch {
    return undefined;
  }
}

/** Values of a float32 or Q8_0 tensor as stored; undefined for other types. */
export function naiveGgufValues(
  bytes: Uint8Array,
  tensor: { shape: number[]; type: number; at: number },
): number[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  if (tensor.type === 0) return Array.from({ length: count }, (_, i) => view.getFloat32(tensor.at + 4 * i, true));
  if (tensor.type !== 8) return undefined;
  return Array.from({ length: count }, (_, i) => {
    const block = tensor.at + 34 * Math.floor(i / 32);
    return Math.fround(halfToNumber(view.getUint16(block, true)) * view.getInt8(block + 2 + (i % 32)));
  });
}

/** Rows of queries or keys as stored for Llama, [H, D/2, 2], in half-split order [H, 2, D/2]. */
export function naiveHalfSplit(values: number[], rows: number, heads: number): number[] {
  const [width, head] = [values.length / rows, rows / heads];
  return Array.from(values, (_, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    const inner = row % head;
    const stored = row - inner + (inner % (head / 2)) * 2 + Math.floor(inner / (head / 2));
    return values[stored * width + column]!;
  });
}

const llamaNames: Record<string, string> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

/** What a tensor of a Llama file is called in a checkpoint. */
export function naiveLlamaName(stored: string): string | undefined {
  const parts = stored.split('.');
  const name = llamaNames[parts.at(-2) ?? ''];
  if (name === undefined) return undefined;
  return parts[0] === 'blk' ? `model.layers.${parts[1]}.${name}.${parts[3]}` : `${name}.${parts[1]}`;
}
