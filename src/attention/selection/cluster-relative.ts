import {
  add,
  cast,
  constant,
  divide,
  dot,
  equal,
  exp,
  highest,
  less,
  maximum,
  minimum,
  multiply,
  not,
  rename,
  select,
  slice,
  stopGradient,
  subtract,
  sum,
  type Tensor,
  weight,
} from '../../tensor/index.ts';
import type { Places } from '../places.ts';
import type { Queries, Scores } from '../steps.ts';
import { type ClusterOptions, clustersOf, type Membership, sameToken } from './routing.ts';

/**
 * Learned vectors for the distance of key and query inside a cluster (1803.02155 over in-cluster positions), the same for all heads:
 * `self_attn.relative_positions_keys` and `…_values`, [2 · reach + 1, D], row reach + distance, distances beyond ±reach at the ends.
 */
export interface RelativeVectors {
  readonly keys: Tensor<'row' | 'D'>;
  readonly values: Tensor<'row' | 'D'>;
  readonly reach: number;
}

export function relativeVectors(at: (name: string) => string, reach: number, D: number): RelativeVectors {
  const table = (name: string) => weight(at(`self_attn.relative_positions_${name}`), { row: 2 * reach + 1, D });
  return { keys: table('keys'), values: table('values'), reach };
}

/** Weights of each cluster, and which row of the vectors each takes. */
export interface RelativePattern {
  /** Σ_c of `byCluster`. */
  readonly pattern: Scores;
  readonly byCluster: Tensor<'B' | 'G' | 'R' | 'C' | 'T' | 'S'>;
  readonly rows: Tensor<'B' | 'G' | 'C' | 'T' | 'S' | 'row'>;
  readonly values: Tensor<'row' | 'D'>;
}

/** 1 at the row of each distance: rank of the key among the keys of its cluster minus rank of the query among its queries. */
function distanceRows(
  members: { readonly queries: Membership; readonly keys: Membership },
  places: Places,
  rows: number[],
) {
  const { keys, queries } = places;
  const member = rename(members.keys as Tensor<'B' | 'G' | 'C' | 'S'>, 'S', 'Before');
  const earlier = cast(less(rename(keys, 'S', 'Before'), keys), 'float32');
  const keyRank = dot(member, earlier, 'Before') as Tensor<'B' | 'G' | 'C' | 'S'>;
  const before = cast(less(keys, queries), 'float32');
  const queryRank = sum(multiply(members.queries as Tensor<'T' | 'S'>, before), 'S') as unknown as Tensor<
    'B' | 'G' | 'C' | 'T'
  >;
  const distance = subtract(keyRank as Tensor<string>, queryRank as Tensor<string>);
  const clipped = minimum(maximum(distance, rows[0]!), rows.at(-1)!);
  const ids = constant(rows, { row: rows.length });
  return cast(equal(clipped as Tensor<'S'>, ids), 'float32') as unknown as RelativePattern['rows'];
}

/**
 * `clusterPattern` with scores q_t · (k_s + a_d) / √D of the distance d inside each cluster, which is another one for each: all clusters' weights are
 * made, C · T · S numbers a head, and 2 · reach + 1 times as many to find their rows.
 *
 * @param scores of the routing heads, causally masked
 * @param q of the routing heads
 */
export function relativeClusterPattern(
  scores: Scores,
  q: Queries,
  members: { readonly queries: Membership; readonly keys: Membership },
  places: Places,
  vectors: RelativeVectors,
  options: ClusterOptions & { readonly scale: number },
): RelativePattern {
  const { reach } = vectors;
  // With one list for queries and keys nothing that is seen lies ahead.
  const ahead = members.queries === members.keys ? 0 : reach;
  const distances = Array.from({ length: reach + ahead + 1 }, (_, i) => i - reach);
  const table = (all: Tensor<'row' | 'D'>) => slice(all, 'row', 0, distances.length);
  const rows = distanceRows(members, places, distances);
  const byRow = dot(multiply(q, options.scale), table(vectors.keys), 'D') as Tensor<'B' | 'T' | 'G' | 'R' | 'row'>;
  type All = RelativePattern['byCluster'];
  const logits = add(scores as Tensor<string>, dot(byRow, rows, 'row') as Tensor<string>) as All;
  const inside = select(
    less(0, members.keys as Tensor<'S'>) as never,
    logits as never,
    Number.NEGATIVE_INFINITY,
  ) as All;
  const top = maximum(stopGradient(highest(inside, 'S')), -1e30);
  const weighted = exp(subtract(inside, top as never) as All);

  const { queryIn, count } = clustersOf(members.queries, places);
  const same = sameToken(places);
  const others = options.self === 'keep' ? weighted : (multiply(weighted, subtract(1, same) as never) as All);
  const totals = sum(others, 'S') as Tensor<'B' | 'G' | 'R' | 'C' | 'T'>;
  const some = less(0, totals);
  const share = multiply(select(some, divide(1, maximum(totals, 1e-30)), 0), queryIn as never);
  const spread = multiply(others, share as never) as All;
  const alone = multiply(multiply(cast(not(some), 'float32'), queryIn as never) as Tensor<'T'>, same);
  const all = options.self === 'keep' ? spread : (add(spread, alone as never) as All);
  const byCluster = divide(all, maximum(add(count, options.epsilon), 1e-30) as never) as All;
  return { pattern: sum(byCluster, 'C') as Scores, byCluster, rows, values: table(vectors.values) };
}

/**
 * Σ_c Σ_s w_cts a_d of values, [B, T, G, R, D].
 *
 * @param edited their sum over clusters after an edit: each cluster's part grows or shrinks with it. Default: as it was made.
 */
export function relativeValues({ pattern, byCluster, rows, values }: RelativePattern, edited?: Scores): Queries {
  const weights = edited ? multiply(byCluster, divide(edited, maximum(pattern, 1e-30)) as never) : byCluster;
  const byRow = dot(weights as RelativePattern['byCluster'], rows, ['C', 'S']);
  return dot(byRow, values, 'row') as Queries;
}
