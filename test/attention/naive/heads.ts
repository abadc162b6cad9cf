/** Plain loops that naive mechanisms share: rows are tokens, a head is a stretch of D numbers in a row. */

export type Rows = number[][];

export interface NaiveSizes {
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
}

export type NaiveWeights = Readonly<Record<string, ArrayLike<number>>>;

/** x W^T for a matrix stored [out, in]. */
export function timesMatrix(x: Rows, matrix: ArrayLike<number>): Rows {
  const inside = x[0]!.length;
  const outside = matrix.length / inside;
  return x.map((row) => {
    const result: number[] = [];
    for (let o = 0; o < outside; o++) {
      let total = 0;
      for (let i = 0; i < inside; i++) total += row[i]! * matrix[o * inside + i]!;
      result.push(total);
    }
    return result;
  });
}

/** Half-split rotation of the first `width` numbers of every head by the row's index, theta 10,000. */
export function turnHeads(rows: Rows, D: number, width = D): Rows {
  return rows.map((row, t) => {
    const turned = [...row];
    for (let start = 0; start < row.length; start += D)
      for (let i = 0; i < width / 2; i++) {
        const angle = t * 10_000 ** ((-2 * i) / width);
        const [a, b] = [row[start + i]!, row[start + i + width / 2]!];
        turned[start + i] = a * Math.cos(angle) - b * Math.sin(angle);
        turned[start + i + width / 2] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    return turned;
  });
}

/** Every head divided by its root mean square, times weight + offset. */
export function normHeads(rows: Rows, D: number, weight: ArrayLike<number>, epsilon: number, offset = 0): Rows {
  return rows.map((row) => {
    const normed = [...row];
    for (let start = 0; start < row.length; start += D) {
      let square = 0;
      for (let d = 0; d < D; d++) square += row[start + d]! ** 2;
      const root = Math.sqrt(square / D + epsilon);
      for (let d = 0; d < D; d++) normed[start + d] = (row[start + d]! / root) * (weight[d]! + offset);
    }
    return normed;
  });
}

/** Causal softmax weights [head][query][key], zero on later keys. */
export function causalSoftmax(q: Rows, k: Rows, { H, G, D }: NaiveSizes): number[][][] {
  return Array.from({ length: H }, (_, h) => {
    const g = Math.floor(h / (H / G));
    return q.map((query, t) => {
      const scores = k.slice(0, t + 1).map((key) => {
        let score = 0;
        for (let d = 0; d < D; d++) score += query[h * D + d]! * key[g * D + d]!;
        return score / Math.sqrt(D);
      });
      const top = Math.max(...scores);
      const total = scores.reduce((sum, score) => sum + Math.exp(score - top), 0);
      return k.map((_, s) => (s <= t ? Math.exp(scores[s]! - top) / total : 0));
    });
  });
}

/** Values gathered by weights [head][query][key]: rows of H heads. */
export function gatherValues(weights: number[][][], v: Rows, { H, G, D }: NaiveSizes): Rows {
  return weights[0]!.map((_, t) => {
    const row: number[] = [];
    for (let h = 0; h < H; h++)
      for (let d = 0; d < D; d++) {
        let total = 0;
        for (let s = 0; s < v.length; s++) total += weights[h]![t]![s]! * v[s]![Math.floor(h / (H / G)) * D + d]!;
        row.push(total);
      }
    return row;
  });
}
