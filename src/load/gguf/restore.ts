/**
 * Undoes what conversion to GGUF did to a tensor, so that it has the values and order of the Hugging Face checkpoint. Shapes are
 * slowest first. E experts, F feed-forward, M model width, H heads, G groups of them, R = H / G, D head width.
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

/** Where each row of a joint projection by group, [G, R queries + key + value, D], lies among all queries, keys and values [H + 2G, D]. */
export function groupedRows(heads: number, groups: number, width: number): Int32Array {
  const R = heads / groups;
  const sources = new Int32Array((heads + 2 * groups) * width);
  for (let group = 0, row = 0; group < groups; group++) {
    for (let part = 0; part < R + 2; part++) {
      const head = part < R ? group * R + part : part === R ? heads + group : heads + groups + group;
      for (let i = 0; i < width; i++) sources[row++] = head * width + i;
    }
  }
  return sources;
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

/** DeepSeek: keys [H, C, Dk] and values [H, Dv, C] to one matrix, [H, Dk + Dv, C]. */
export function restoreLatentKeysAndValues([H, C, keyWidth, valueWidth]: readonly [
  number,
  number,
  number,
  number,
]): Restore {
  return ([keys, values]) => {
    const to = new Float32Array(H * (keyWidth + valueWidth) * C);
    for (let head = 0; head < H; head++) {
      const start = head * (keyWidth + valueWidth) * C;
      for (let c = 0; c < C; c++)
        for (let d = 0; d < keyWidth; d++) to[start + d * C + c] = keys![(head * C + c) * keyWidth + d]!;
      const own = values!.subarray(head * valueWidth * C, (head + 1) * valueWidth * C);
      to.set(own, start + keyWidth * C);
    }
    return to;
  };
}

/** Rows [parts, groups, width of the part] by group: [groups, parts, width]. */
export function headsByPart(groups: number, widths: readonly number[]): Int32Array {
  const sources = new Int32Array(groups * widths.reduce((sum, width) => sum + width, 0));
  for (let group = 0, row = 0; group < groups; group++) {
    let start = 0;
    for (const width of widths) {
      for (let i = 0; i < width; i++) sources[row++] = start + group * width + i;
      start += groups * width;
    }
  }
  return sources;
}

/** Heads [R, groups] as [groups, R], each of `width` rows, behind `before` rows that stay. */
export function groupedHeads(groups: number, R: number, width: number, before = 0): Int32Array {
  const sources = Int32Array.from({ length: before + groups * R * width }, (_, i) => i);
  for (let head = 0, row = before; head < groups * R; head++) {
    const source = (head % R) * groups + Math.floor(head / R);
    for (let i = 0; i < width; i++) sources[row++] = before + source * width + i;
  }
  return sources;
}

/** Columns in another order: column i of the result is column sources[i]. */
export function takeColumns(from: Values, sources: Int32Array): Values {
  const width = sources.length;
  return from.map((_, at) => from[at - (at % width) + sources[at % width]!]!);
}
