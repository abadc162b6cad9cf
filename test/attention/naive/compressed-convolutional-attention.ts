import {
  causalSoftmax,
  gatherValues,
  type NaiveSizes,
  type NaiveWeights,
  type Rows,
  timesMatrix,
  turnHeads,
} from './heads.ts';

export interface NaivePieces {
  readonly depthwise?: boolean;
  readonly grouped?: boolean;
  readonly mean?: boolean;
  readonly valueShift?: boolean;
  readonly normalise?: boolean;
}

/** y[t][c] = b[c] + Σ_τ w[c][τ] · x[t − τ][c], filters stored [channels][2] with the older tap first; rows before the text are given. */
export function depthwisePair(
  x: Rows,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  before: readonly number[],
): Rows {
  return x.map((row, t) =>
    row.map((now, c) => bias[c]! + weight[2 * c]! * (x[t - 1] ?? before)[c]! + weight[2 * c + 1]! * now),
  );
}

/** As above with D channels of a head mixed: filters stored [head · D + out][in][2]. */
export function groupedPair(
  x: Rows,
  D: number,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  before: readonly number[],
): Rows {
  return x.map((row, t) =>
    row.map((_, c) => {
      const head = Math.floor(c / D) * D;
      let total = bias[c]!;
      for (let i = 0; i < D; i++) {
        total += weight[(c * D + i) * 2]! * (x[t - 1] ?? before)[head + i]!;
        total += weight[(c * D + i) * 2 + 1]! * row[head + i]!;
      }
      return total;
    }),
  );
}

/** The definition of compressed convolutional attention for one text; sizes are those of the latent space, RoPE of base 10,000. */
export function naiveConvolutional(x: Rows, weights: NaiveWeights, sizes: NaiveSizes, pieces: NaivePieces = {}) {
  const { H, G, D } = sizes;
  const { depthwise = true, grouped = true, mean = true, valueShift = true, normalise = true } = pieces;
  const [q0, k0] = [timesMatrix(x, weights.q_proj!), timesMatrix(x, weights.k_proj!)];
  const z = x.map((_, t) => [...q0[t]!, ...k0[t]!]);
  // Two rows of zeros before the text; the first convolution turns the second of them into its bias.
  const zeros = new Array<number>((H + G) * D).fill(0);
  const first = depthwise ? depthwisePair(z, weights.depthwise!, weights.depthwiseBias!, zeros) : z;
  const start = depthwise ? depthwisePair([zeros], weights.depthwise!, weights.depthwiseBias!, zeros)[0]! : zeros;
  const second = grouped ? groupedPair(first, D, weights.grouped!, weights.groupedBias!, start) : first;
  const unit = (head: number[], scale: number) => {
    const norm = Math.hypot(...head);
    return normalise ? head.map((one) => (Math.sqrt(D) * scale * one) / norm) : head;
  };
  const q = second.map((row, t) => {
    const made: number[] = [];
    for (let h = 0; h < H; h++) {
      const head: number[] = [];
      for (let d = 0; d < D; d++) {
        const both = (q0[t]![h * D + d]! + k0[t]![Math.floor(h / (H / G)) * D + d]!) / 2;
        head.push(row[h * D + d]! + (mean ? both : 0));
      }
      made.push(...unit(head, 1));
    }
    return made;
  });
  const k = second.map((row, t) => {
    const made: number[] = [];
    for (let g = 0; g < G; g++) {
      const head: number[] = [];
      for (let d = 0; d < D; d++) {
        let both = 0;
        for (let r = 0; r < H / G; r++) both += (q0[t]![(g * (H / G) + r) * D + d]! + k0[t]![g * D + d]!) / 2;
        head.push(row[(H + g) * D + d]! + (mean ? both / (H / G) : 0));
      }
      made.push(...unit(head, normalise ? weights.temp![g]! : 1));
    }
    return made;
  });
  const v = valueShift ? shifted(x, weights) : timesMatrix(x, weights.v_proj!);
  const [turnedQ, turnedK] = [turnHeads(q, D), turnHeads(k, D)];
  const pattern = causalSoftmax(turnedQ, turnedK, sizes);
  return { q: turnedQ, k: turnedK, v, pattern, output: timesMatrix(gatherValues(pattern, v, sizes), weights.o_proj!) };
}

/** Half of the channels of this token, half of the one before. */
function shifted(x: Rows, weights: NaiveWeights): Rows {
  const [now, before] = [timesMatrix(x, weights.current!), timesMatrix(x, weights.delayed!)];
  return x.map((_, t) => [...now[t]!, ...(before[t - 1] ?? now[t]!.map(() => 0))]);
}
