import {
  add,
  and,
  cast,
  concat,
  divide,
  dot,
  equal,
  exp,
  expand,
  highest,
  less,
  maximum,
  multiply,
  not,
  or,
  scalar,
  select,
  size,
  sizes,
  slice,
  stopGradient,
  subtract,
  sum,
  type Tensor,
  topMask,
  type Within,
} from '../../tensor/index.ts';
import { causalMask, type Places } from '../places.ts';
import type { Scores } from '../steps.ts';
import { topVisible } from './top-visible.ts';

/** What each token has to do with each centroid: the larger, the nearer. */
export type Nearness = Tensor<'B' | 'S' | 'G' | 'C'>;
/** 1 where a key is in a cluster, [B, G, C, S]; for each query its own, [B, G, C, T, S], where clusters are made of the past alone. */
export type Membership = Tensor<'B' | 'G' | 'C' | 'S'> | Tensor<'B' | 'G' | 'C' | 'T' | 'S'>;

/**
 * Every centroid takes the `count` tokens nearest to it of the whole text, earlier ones of equals: a token may be in several clusters or in none.
 * Whether it is in one depends on tokens after it.
 */
export function wholeTextClusters(nearness: Nearness, { keyIsReal }: Places, count: number): Membership {
  const length = size(nearness, 'S');
  const real = keyIsReal
    ? expand(keyIsReal, { G: sizes(nearness).get('G')!, C: sizes(nearness).get('C')! })
    : undefined;
  const own = real ? select(real, nearness, Number.NEGATIVE_INFINITY) : nearness;
  if (length.constant !== undefined && length.constant <= count)
    return real ? cast(real, 'float32') : add(multiply(own, 0), 1);
  // More places than the text may have, all of them farther than any token.
  const rest = Object.fromEntries([...sizes(nearness)].map(([axis, whole]) => [axis, axis === 'S' ? count : whole]));
  const far = expand(scalar(Number.NEGATIVE_INFINITY), rest as never) as Nearness;
  const chosen =
    length.constant === undefined
      ? slice(topMask(concat([own, far], 'S'), 'S', count), 'S', 0, length)
      : topMask(own, 'S', count);
  return cast(real ? and(chosen, real) : chosen, 'float32');
}

/** The same of the tokens up to each query, as it is decoded: for every query clusters of its own. */
export function pastClusters(nearness: Nearness, places: Places, count: number): Membership {
  const visible = causalMask(places) as Tensor<'T' | 'S'>;
  return cast(topVisible<'B' | 'G' | 'C'>(nearness, visible, places.keys, count, 'earlier'), 'float32');
}

export interface ClusterOptions {
  /** Added to the number of a token's clusters before dividing by it. */
  readonly epsilon: number;
  /** Does a token attend to itself like to any other, or only where its cluster shows it nothing else? */
  readonly self: 'keep' | 'last-resort';
}

/** 1 where key and query are one token. */
export function sameToken({ queries, keys }: Places): Tensor<'T' | 'S'> {
  return cast(equal(queries, keys), 'float32') as Tensor<'T' | 'S'>;
}

/** 1 where a query is in a cluster, and of how many each is. */
export function clustersOf(member: Membership, places: Places) {
  const same = sameToken(places);
  const queryIn = ('T' in Object.fromEntries(sizes(member))
    ? sum(multiply(member as Tensor<'T' | 'S'>, same), 'S')
    : dot(member as Tensor<'B' | 'G' | 'C' | 'S'>, same, 'S')) as unknown as Tensor<'B' | 'G' | 'C' | 'T'>;
  const count: Tensor<'B' | 'G' | 'T'> = sum(queryIn, 'C');
  return { queryIn, count };
}

/**
 * Softmax of causally masked scores inside each cluster, averaged over the clusters that contain the query:
 * w_ts = Σ_{c ∋ t, s} e^{s_ts} / Z_ct / (clusters of t + ε), Z_ct = Σ_{s ∈ c} e^{s_ts}. Rows of tokens without a cluster are zeros, and so is
 * the part of a cluster that has no key for the query. Two products with the membership, T × C × S each: no pattern of a single cluster is made.
 *
 * @param member of the keys
 * @param queriesIn of the queries, where they are routed apart from the keys. Default: that of the keys.
 */
export function clusterPattern(
  scores: Scores,
  member: Membership,
  places: Places,
  options: ClusterOptions,
  queriesIn: Membership = member,
): Scores {
  const inside = member as Tensor<'B' | 'G' | 'C' | 'S'>;
  const same = sameToken(places);
  const { queryIn, count } = clustersOf(queriesIn, places);
  const weighted = exp(subtract(scores, stopGradient(highest(scores, 'S')) as never) as Scores);
  const others = options.self === 'keep' ? weighted : multiply(weighted, subtract(1, same) as never);
  const totals = dot(others, inside, 'S') as Tensor<'B' | 'G' | 'R' | 'C' | 'T'>;
  const some = less(0, totals);
  const share = multiply(select(some, divide(1, maximum(totals, 1e-30)), 0), queryIn);
  const spread = multiply(others, dot(share, inside, 'C') as never) as Scores;
  const alone = sum(multiply(cast(not(some), 'float32'), queryIn), 'C');
  const all = options.self === 'keep' ? spread : add(spread, multiply(alone, same) as never);
  return divide(all, maximum(add(count, options.epsilon), 1e-30) as never) as Scores;
}

/** True where the key is in the block of the query or in the block before it. */
export function blockLocal({ queries, keys }: Places, block: number): Tensor<'T' | 'S'> {
  const [query, key] = [divide(queries, block), divide(keys, block)];
  return or(equal(query, key), equal(query, add(key, 1))) as Tensor<'T' | 'S'>;
}

/** Causal mask of the local heads. */
export function localMask(places: Places, block: number): Within<'B' | 'T' | 'S'> {
  return and(causalMask(places) as Tensor<'T' | 'S'>, blockLocal(places, block));
}
