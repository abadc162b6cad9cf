import {
  causalSoftmax,
  gatherValues,
  type NaiveSizes,
  type NaiveWeights,
  type Rows,
  timesMatrix,
  turnHeads,
} from './heads.ts';

export interface NaiveAffine {
  readonly length: 'fixed' | 'sequence' | 'causal' | 'none';
  readonly sigmoid?: boolean;
  /** One running mean for the layer. */
  readonly layer?: boolean;
  readonly context?: number;
}

/** The scale by linear clipping. */
export function clipped(x: number): number {
  if (x <= -5) return 0;
  return x >= 5 ? 1 : 0.1 * x + 0.5;
}

/** The definition of affine-scaled attention for one text. */
export function naiveAffine(x: Rows, weights: NaiveWeights, sizes: NaiveSizes, options: NaiveAffine) {
  const { D } = sizes;
  const q = turnHeads(timesMatrix(x, weights.q_proj!), D);
  const k = turnHeads(timesMatrix(x, weights.k_proj!), D);
  const alpha = timesMatrix(x, weights.alpha_proj!).map((row) =>
    row.map((s) => (options.sigmoid ? 1 / (1 + Math.exp(-s)) : clipped(s))),
  );
  const softmax = causalSoftmax(q, k, sizes);
  const pattern = softmax.map((rows, h) =>
    rows.map((row, t) => {
      const a = alpha[t]![h]!;
      const counts = { fixed: options.context ?? 16, sequence: x.length, causal: t + 1, none: 1 };
      const usual = options.length === 'none' ? a : weights.alpha_ma![options.layer ? 0 : h]!;
      const beta = (usual - a) / counts[options.length];
      return row.map((p, s) => (s <= t ? a * p + beta : 0));
    }),
  );
  const z = gatherValues(pattern, timesMatrix(x, weights.v_proj!), sizes);
  return { output: timesMatrix(z, weights.o_proj!), pattern, alpha };
}
