import {
  add,
  cast,
  concat,
  divide,
  dot,
  less,
  maximum,
  mean,
  multiply,
  power,
  scalar,
  select,
  sqrt,
  stopGradient,
  subtract,
  sum,
  type Tensor,
  topMask,
  weight,
} from '../../tensor/index.ts';
import type { MechanismSite } from '../mechanism.ts';
import type { Places } from '../places.ts';

export type Centroids = Tensor<'G' | 'C' | 'D'>;
/** What is routed, [B, S, G, D] for G routing heads: layer-normalised, so that the largest product is the smallest distance. */
export type Routed = Tensor<'B' | 'S' | 'G' | 'D'>;
/**
 * How centroids learn. `ema`: running sums of the tokens nearest to each and of their number, divided; `sphere`: running mean of their mean,
 * brought back to norm √D; `gradient`: a loss on the centroids themselves; `frozen`: never.
 */
export type CentroidLearning = 'ema' | 'sphere' | 'gradient' | 'frozen';

export interface CentroidOptions {
  readonly learning: CentroidLearning;
  readonly clusters: number;
  readonly heads: number;
  /** γ: what a running mean keeps of itself in one update. */
  readonly momentum: number;
  /** β: weight of the tokens' pull to their centroids. */
  readonly commitment: number;
}

const names = { sums: 'self_attn.centroid_sums', counts: 'self_attn.centroid_counts', own: 'self_attn.centroids' };

/** sum / count, with counts smoothed (Laplace, ε = 10⁻⁵): (count + ε) / (N + kε) · N, so that a cluster without tokens stays finite. */
export function smoothedMeans(sums: Centroids, counts: Tensor<'G' | 'C'>, clusters: number): Centroids {
  const all: Tensor<'G'> = sum(counts, 'C');
  const share = divide(add(counts, 1e-5), add(all, clusters * 1e-5)) as Tensor<'G' | 'C'>;
  return divide(sums, multiply(share, all) as never) as Centroids;
}

/** μ [G, C, D]: `self_attn.centroids`, or of the running sums and counts. */
export function centroidsOf({ at, sizes: { D } }: MechanismSite, options: CentroidOptions): Centroids {
  const axes = { G: options.heads, C: options.clusters, D };
  if (options.learning !== 'ema') return weight(at(names.own), axes);
  return smoothedMeans(
    weight(at(names.sums), axes),
    weight(at(names.counts), { G: axes.G, C: axes.C }),
    options.clusters,
  );
}

/** Centroids at first: random directions, layer-normalised; running counts of one. */
export function firstCentroids(
  name: string,
  shape: readonly number[],
  random: () => number,
): Float32Array<ArrayBuffer> | undefined {
  if (name.endsWith(names.counts)) return new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1);
  if (!name.endsWith(names.own) && !name.endsWith(names.sums)) return undefined;
  const D = shape.at(-1)!;
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random);
  for (let from = 0; from < values.length; from += D) {
    const row = values.subarray(from, from + D);
    const middle = row.reduce((a, b) => a + b, 0) / D;
    const deviation = Math.sqrt(row.reduce((a, b) => a + (b - middle) ** 2, 0) / D);
    row.forEach((value, i) => {
      row[i] = deviation === 0 ? 0 : (value - middle) / deviation;
    });
  }
  return values;
}

/** One for the centroid nearest to a token and 0 for the others, [B, S, G, C]; nothing for padding. */
export function nearest(
  x: Routed,
  centroids: Centroids,
  keyIsReal?: Places['keyIsReal'],
): Tensor<'B' | 'S' | 'G' | 'C'> {
  const products = stopGradient(dot(x, centroids, 'D'));
  const hot = cast(topMask(products, 'C', 1), 'float32');
  return keyIsReal ? multiply(hot, cast(keyIsReal, 'float32')) : hot;
}

/** Counts and sums of the tokens nearest to each centroid, over all texts. */
function gathered(x: Routed, hot: Tensor<'B' | 'S' | 'G' | 'C'>) {
  const counts: Tensor<'G' | 'C'> = sum(hot, ['B', 'S']);
  const sums: Centroids = stopGradient(dot(hot, x, ['B', 'S']));
  return { counts, sums };
}

const kept = <A extends string>(old: Tensor<A>, now: Tensor<A>, momentum: number): Tensor<A> =>
  add(multiply(old, momentum), multiply(now, 1 - momentum));

/** Counts and sums after an update: γ · old + (1 − γ) · those of the batch. */
export function updatedSums(
  old: { readonly sums: Centroids; readonly counts: Tensor<'G' | 'C'> },
  x: Routed,
  hot: Tensor<'B' | 'S' | 'G' | 'C'>,
  momentum: number,
): { readonly sums: Centroids; readonly counts: Tensor<'G' | 'C'> } {
  const { counts, sums } = gathered(x, hot);
  return { sums: kept(old.sums, sums, momentum), counts: kept(old.counts, counts, momentum) };
}

/** Centroids after an update: γ μ + (1 − γ) · the batch's mean at norm √D; a centroid without tokens stays. */
export function updatedOnSphere(
  old: Centroids,
  x: Routed,
  hot: Tensor<'B' | 'S' | 'G' | 'C'>,
  momentum: number,
): Centroids {
  const { counts, sums } = gathered(x, hot);
  const length = sqrt(add(mean(power(sums, 2), 'D'), 1e-12));
  const direction = divide(sums, length as never) as Centroids;
  return select(less(0, counts), kept(old, direction, momentum), old);
}

/**
 * Adds the clustering loss and the running means to training; nothing where a model only runs. Means of the loss are over all numbers of a list.
 *
 * @param routed lists of tokens: keys, and queries where they are routed apart. Losses add up, running means take the average of the lists.
 */
export function learnCentroids(
  routed: readonly Routed[],
  site: MechanismSite,
  options: CentroidOptions,
  places: Places,
): void {
  const { training, at } = site;
  const { learning, momentum, commitment } = options;
  if (!training || learning === 'frozen') return;
  const centroids = centroidsOf(site, options);
  const lists = routed.map((x) => ({ x, hot: nearest(x, centroids, places.keyIsReal) }));
  for (const { x, hot } of lists) {
    const real: Tensor<'B' | 'S' | 'G'> = sum(hot, 'C');
    const distance = (from: Routed, to: Centroids): Tensor<never> => {
      const square: Tensor<'B' | 'S' | 'G'> = mean(power(subtract(from, dot(hot, to, 'C')), 2), 'D');
      const over = ['B', 'S', 'G'] as const;
      return divide(sum(multiply(square, real), over), maximum(sum(real, over), 1)) as Tensor<never>;
    };
    training.loss(multiply(distance(x, stopGradient(centroids)), scalar(commitment)));
    if (learning === 'gradient') training.loss(distance(stopGradient(x), centroids));
  }
  if (learning === 'gradient') return;
  const x = concat(
    lists.map((list) => list.x),
    'S',
  );
  const every = concat(
    lists.map((list) => list.hot),
    'S',
  );
  const hot = lists.length === 1 ? every : multiply(every, 1 / lists.length);
  if (learning === 'sphere')
    training.buffer(
      at(names.own),
      updatedOnSphere(stopGradient(centroids), x, hot, momentum) as unknown as Tensor<string>,
    );
  if (learning === 'ema') {
    const axes = { G: options.heads, C: options.clusters };
    const old = {
      sums: weight(at(names.sums), { ...axes, D: site.sizes.D }),
      counts: weight(at(names.counts), axes),
    };
    const next = updatedSums(old, x, hot, momentum);
    training.buffer(at(names.sums), next.sums as unknown as Tensor<string>);
    training.buffer(at(names.counts), next.counts as unknown as Tensor<string>);
  }
}
