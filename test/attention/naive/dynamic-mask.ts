/** Dynamic mask attention of one head over one text, in plain loops: what defines it. */
export interface NaiveDynamicMask {
  /** Rotated and scaled already where they should be: [T][D]. */
  readonly q: readonly (readonly number[])[];
  readonly k: readonly (readonly number[])[];
  readonly v: readonly (readonly number[])[];
  /** Ranks and bias of each key. */
  readonly order: readonly number[];
  readonly added: readonly number[];
  readonly keep: number;
}

/** Keys that each query keeps: the `keep` highest of those up to it, the later of equals. */
export function naiveKept(order: readonly number[], keep: number): boolean[][] {
  return order.map((_, i) => {
    const seen = order.map((value, j) => ({ value, j })).slice(0, i + 1);
    seen.sort((a, b) => b.value - a.value || b.j - a.j);
    const chosen = new Set(seen.slice(0, keep).map(({ j }) => j));
    return order.map((_, j) => chosen.has(j));
  });
}

/** Whole blocks by strict majority of the keys that the query may see. */
export function naiveBlocks(kept: readonly (readonly boolean[])[], block: number): boolean[][] {
  return kept.map((row, i) =>
    row.map((_, j) => {
      if (j > i) return false;
      const start = j - (j % block);
      let [chosen, all] = [0, 0];
      for (let s = start; s < start + block && s <= i; s++) {
        all++;
        if (row[s]) chosen++;
      }
      return 2 * chosen > all;
    }),
  );
}

/** δ from r: exp with its exponent at most 20, or its logarithm. */
export function naiveAdded(r: number, A: number, form: 'exp' | 'log'): number {
  const exponent = A * (Math.max(r, 0) + Math.log1p(Math.exp(-Math.abs(r))));
  return form === 'exp' ? Math.exp(Math.min(exponent, 20)) : exponent;
}

/** Weights [T][S]; a row that keeps nothing is zeros. */
export function naiveWeights(
  { q, k, added }: Pick<NaiveDynamicMask, 'q' | 'k' | 'added'>,
  kept: readonly (readonly boolean[])[],
): number[][] {
  return q.map((query, i) => {
    const scale = query.length ** -0.5;
    const exps = k.map((key, j) =>
      kept[i]![j] ? Math.exp(query.reduce((s, value, d) => s + value * key[d]!, 0) * scale + added[j]!) : 0,
    );
    const total = exps.reduce((a, b) => a + b, 0);
    return exps.map((e) => (total === 0 ? 0 : e / total));
  });
}

export function naiveDynamicMask(head: NaiveDynamicMask): number[][] {
  const weights = naiveWeights(head, naiveKept(head.order, head.keep));
  return weights.map((row) => head.v[0]!.map((_, d) => row.reduce((s, w, j) => s + w * head.v[j]![d]!, 0)));
}

/** The same, block of keys by block of keys, those without a kept key skipped; multiply-adds of q · k and of weights · v are counted. */
export function naiveSkipping(
  { q, k, v, order, added, keep }: NaiveDynamicMask,
  block: number,
): { readonly outputs: number[][]; readonly multiplyAdds: number } {
  const kept = naiveKept(order, keep);
  let multiplyAdds = 0;
  const outputs = q.map((query, i) => {
    const sums = new Array<number>(v[0]!.length).fill(0);
    let total = 0;
    for (let start = 0; start <= i; start += block) {
      const keys = k.slice(start, start + block).map((_, j) => start + j);
      if (!keys.some((j) => kept[i]![j])) continue;
      for (const j of keys) {
        multiplyAdds += query.length + sums.length;
        if (!kept[i]![j]) continue;
        const score = query.reduce((s, value, d) => s + value * k[j]![d]!, 0) * query.length ** -0.5;
        const e = Math.exp(score + added[j]!);
        total += e;
        for (let d = 0; d < sums.length; d++) sums[d]! += e * v[j]![d]!;
      }
    }
    return sums.map((value) => value / total);
  });
  return { outputs, multiplyAdds };
}

export interface NaiveTiles extends Pick<NaiveDynamicMask, 'q' | 'k' | 'v' | 'added'> {
  readonly kept: readonly (readonly boolean[])[];
  readonly queries: number;
  readonly keys: number;
  readonly needed: (row: number, column: number) => boolean;
}

/** Outputs from the needed tiles of `queries` by `keys` alone; multiply-adds of their scores and values are counted, for all their pairs. */
export function naiveTiles({ q, k, v, added, kept, queries, keys, needed }: NaiveTiles) {
  let multiplyAdds = 0;
  const sums = q.map(() => new Array<number>(v[0]!.length).fill(0));
  const totals = q.map(() => 0);
  for (let from = 0; from < q.length; from += queries)
    for (let start = 0; start < k.length; start += keys) {
      if (!needed(from / queries, start / keys)) continue;
      for (let i = from; i < Math.min(from + queries, q.length); i++)
        for (let j = start; j < Math.min(start + keys, k.length); j++) {
          multiplyAdds += q[0]!.length + v[0]!.length;
          if (!kept[i]![j]) continue;
          const score = q[i]!.reduce((s, value, d) => s + value * k[j]![d]!, 0) * q[i]!.length ** -0.5;
          const e = Math.exp(score + added[j]!);
          totals[i]! += e;
          for (let d = 0; d < v[0]!.length; d++) sums[i]![d]! += e * v[j]![d]!;
        }
    }
  return { outputs: sums.map((row, i) => row.map((value) => value / totals[i]!)), multiplyAdds };
}
