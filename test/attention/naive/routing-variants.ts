/** One routing head over one text with keys of its own and vectors for distances, in plain loops: what defines it. */
import { naiveClusters } from './routing.ts';

type Rows = readonly (readonly number[])[];

const product = (a: readonly number[], b: readonly number[]) => a.reduce((s, value, i) => s + value * b[i]!, 0);

export interface NaiveRoutingHead {
  readonly queries: Rows;
  readonly keys: Rows;
  readonly values: Rows;
  readonly centroids: Rows;
  readonly count: number;
  readonly epsilon: number;
  readonly past?: boolean;
  readonly lastResort?: boolean;
  /** Rows 0 … 2 · reach of vectors for keys and values. */
  readonly relative?: { readonly reach: number; readonly keys: Rows; readonly values: Rows };
}

/** Weights [T][S] and outputs [T][D], cluster by cluster: lists of queries and of keys, in the order of time. */
export function naiveRoutingHead(head: NaiveRoutingHead) {
  const { queries, keys, values, centroids, count, epsilon, past, lastResort, relative } = head;
  const scale = queries[0]!.length ** -0.5;
  const weights: number[][] = [];
  const outputs: number[][] = [];
  for (let t = 0; t < queries.length; t++) {
    const length = past ? t + 1 : queries.length;
    const asked = naiveClusters(queries, centroids, count, length);
    const held = naiveClusters(keys, centroids, count, length);
    const mine = centroids.flatMap((_, c) => (asked[c]!.includes(t) ? [c] : []));
    const row = new Array<number>(keys.length).fill(0);
    const output = new Array<number>(values[0]!.length).fill(0);
    for (const c of mine) {
      const rank = asked[c]!.indexOf(t);
      const seen = held[c]!.filter((s) => s <= t);
      const others = seen.filter((s) => s !== t);
      const allowed = lastResort && others.length > 0 ? others : seen;
      const vector = (table: Rows, s: number) => {
        const distance = held[c]!.indexOf(s) - rank;
        return table[relative!.reach + Math.max(-relative!.reach, Math.min(relative!.reach, distance))]!;
      };
      const exps = allowed.map((s) => {
        const added = relative ? product(queries[t]!, vector(relative.keys, s)) : 0;
        return Math.exp(scale * (product(queries[t]!, keys[s]!) + added));
      });
      const total = exps.reduce((a, b) => a + b, 0);
      allowed.forEach((s, i) => {
        const weight = exps[i]! / total / (mine.length + epsilon);
        row[s]! += weight;
        output.forEach((_, d) => {
          output[d]! += weight * (values[s]![d]! + (relative ? vector(relative.values, s)[d]! : 0));
        });
      });
    }
    weights.push(row);
    outputs.push(output);
  }
  return { weights, outputs };
}
