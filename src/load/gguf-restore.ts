/**
 * Undoes what conversion to GGUF did to a tensor, so that it has the values and order of the Hugging Face checkpoint. Shapes are
 * slowest first. E experts, F feed-forward, M model width, H heads, D head width.
 */

export type Values = Float32Array<ArrayBuffer>;

/** From the decoded parts, in the order of the file's shapes, to the tensor the model asks for. */
export type Restore = (parts: readonly Values[]) => Values;

/** Where each row of query or key weights of half-split order lies among interleaved rotary pairs: [H, 2, D/2] from [H, D/2, 2]. */
export function halfSplitRows(rows: number, heads: number): Int32Array {
  const half = rows / heads / 2;
  const sources = new Int32Array(rows);
  for (let head = 0; head < heads; head++)
    for (let i = 0; i < half; i++)
      for (let j = 0; j < 2; j++) sources[(head * 2 + j) * half + i] = (head * half + i) * 2 + j;
  return sources;
}

/** Rows in another order: row i of the result is row sources[i]. */
export function takeRows<T extends Float32Array | Uint8Array>(from: T, sources: Int32Array): T {
  const width = from.length / sources.length;
  const to = from.slice() as T;
  sources.forEach((source, row) => {
    to.set(from.subarray(source * width, (source + 1) * width), row * width);
  });
  return to;
}

/** Gemma stores a norm's weight as 1 + weight. */
export const restoreOffsetNorm: Restore = ([from]) => from!.map((value) => value - 1);

/** [..., a, b] to [..., b, a]. */
export function restoreTransposed(shape: readonly number[]): Restore {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return ([from]) => {
    const to = new Float32Array(from!.length);
    for (let start = 0; start < from!.length; start += rows * columns) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          to[start + column * rows + row] = from![start + row * columns + column]!;
        }
      }
    }
    return to;
  };
}

/** GPT-NeoX: rows from [3, H, D] (all queries, all keys, all values) to [H, 3, D]. */
export function restoreNeoxQkv(shape: readonly number[], heads: number): Restore {
  const block = (shape[0]! / 3 / heads) * (shape[1] ?? 1);
  return ([from]) => {
    const to = new Float32Array(from!.length);
    for (let part = 0; part < 3; part++) {
      for (let head = 0; head < heads; head++) {
        const source = (part * heads + head) * block;
        to.set(from!.subarray(source, source + block), (head * 3 + part) * block);
      }
    }
    return to;
  };
}

/** GPT-OSS: gate and up [E, F, M] to one [E, M, 2F] with gate and up in turn; biases [E, F] to [E, 2F]. */
export function restoreGateUp(shape: readonly number[]): Restore {
  const [experts, features, width = 1] = shape as [number, number, number?];
  return ([gate, up]) => {
    const to = new Float32Array(gate!.length * 2);
    for (let e = 0; e < experts; e++) {
      for (let f = 0; f < features; f++) {
        for (let m = 0; m < width; m++) {
          const source = (e * features + f) * width + m;
          const target = ((e * width + m) * features + f) * 2;
          to[target] = gate![source]!;
          to[target + 1] = up![source]!;
        }
      }
    }
    return to;
  };
}
