import {
  causalSoftmax,
  gatherValues,
  type NaiveSizes,
  type NaiveWeights,
  type Rows,
  timesMatrix,
  turnHeads,
} from './heads.ts';

/** The definition of head-wise RMSNorm for one text: outputs, and the normalised heads. */
export function naiveHeadWiseRmsNorm(
  x: Rows,
  weights: NaiveWeights,
  sizes: NaiveSizes,
  { epsilon, perHead }: { readonly epsilon: number; readonly perHead: boolean },
) {
  const { D, H } = sizes;
  const q = turnHeads(timesMatrix(x, weights.q_proj!), D);
  const k = turnHeads(timesMatrix(x, weights.k_proj!), D);
  const z = gatherValues(causalSoftmax(q, k, sizes), timesMatrix(x, weights.v_proj!), sizes);
  for (const row of z)
    for (let h = 0; h < H; h++) {
      let square = 0;
      for (let d = 0; d < D; d++) square += row[h * D + d]! ** 2;
      const root = Math.sqrt(square / D + epsilon);
      for (let d = 0; d < D; d++)
        row[h * D + d] = (row[h * D + d]! / root) * weights.head_norm![perHead ? h * D + d : d]!;
    }
  return { output: timesMatrix(z, weights.o_proj!), heads: z };
}
