/** One routing head over one text, in plain loops: what defines it. */
type Rows = readonly (readonly number[])[];

const product = (a: readonly number[], b: readonly number[]) => a.reduce((s, value, i) => s + value * b[i]!, 0);

/** For each centroid the `count` nearest of the first `length` tokens, in the order of time. */
export function naiveClusters(x: Rows, centroids: Rows, count: number, length = x.length): number[][] {
  return centroids.map((centroid) =>
    Array.from({ length }, (_, t) => ({ t, near: product(x[t]!, centroid) }))
      .sort((a, b) => b.near - a.near || a.t - b.t)
      .slice(0, count)
      .map(({ t }) => t)
      .sort((a, b) => a - b),
  );
}

export interface NaiveRouting {
  readonly x: Rows;
  readonly centroids: Rows;
  readonly count: number;
  readonly epsilon: number;
  readonly past?: boolean;
  readonly lastResort?: boolean;
  /** Scores [T][S], before the mask. */
  readonly scores: Rows;
}

/** Weights [T][S], gathered, attended and scattered cluster by cluster. */
export function naiveRouting({ x, centroids, count, epsilon, past, lastResort, scores }: NaiveRouting) {
  let products = x.length * centroids.length;
  const weights = x.map((_, t) => {
    const row = new Array<number>(x.length).fill(0);
    const clusters = naiveClusters(x, centroids, count, past ? t + 1 : x.length).filter((one) => one.includes(t));
    for (const cluster of clusters) {
      const seen = cluster.filter((s) => s <= t);
      const others = seen.filter((s) => s !== t);
      const allowed = lastResort && others.length > 0 ? others : seen;
      const exps = allowed.map((s) => Math.exp(scores[t]![s]!));
      const total = exps.reduce((a, b) => a + b, 0);
      allowed.forEach((s, i) => {
        row[s]! += exps[i]! / total / (clusters.length + epsilon);
      });
    }
    return row;
  });
  // Inside a cluster every member meets every member, as the gathered products do.
  if (!past) for (const cluster of naiveClusters(x, centroids, count)) products += cluster.length ** 2;
  return { weights, products };
}
