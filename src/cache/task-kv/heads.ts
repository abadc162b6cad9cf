import { shuffle } from '../../random.ts';
import { largest } from '../largest.ts';

/**
 * What one head writes, as its last queries see it (2501.15113): Σ c[i] · V[i] over the `tokens` entries of largest weight c, [D]. Weights
 * are not scaled up for what is left out.
 */
export function semanticVector(
  weights: Float64Array,
  value: (rank: number) => ArrayLike<number>,
  tokens: number,
): Float64Array {
  const vector = new Float64Array(weights.length === 0 ? 0 : value(0).length);
  for (const rank of largest(weights, tokens)) {
    const row = value(rank);
    for (let d = 0; d < vector.length; d++) vector[d]! += weights[rank]! * row[d]!;
  }
  return vector;
}

/** Distance of each head's vector from the mean of all, ‖v − mean‖₂. */
export function semanticDistances(vectors: readonly Float64Array[]): Float64Array {
  const centre = new Float64Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) for (let d = 0; d < centre.length; d++) centre[d]! += vector[d]! / vectors.length;
  return Float64Array.from(vectors, (vector) =>
    Math.sqrt(vector.reduce((sum, x, d) => sum + (x - centre[d]!) ** 2, 0)),
  );
}

export interface HeadCount {
  readonly layers: number;
  readonly heads: number;
  /** Share of heads at the bottom. */
  readonly beta: number;
  /** Number of heads at the top. */
  readonly top: number;
}

/** How many heads of a layer keep the whole prompt, not rounded: heads · beta at the bottom, in a line to `top` at the top. */
export function wholeHeads(layer: number, { layers, heads, beta, top }: HeadCount): number {
  const bottom = heads * beta;
  return layers === 1 ? bottom : bottom - ((bottom - top) / (layers - 1)) * layer;
}

export interface HeadChoice {
  /**
   * Heads far from the centre, as published; or a control: those near it, heads of chance, or the published rule after the distances were
   * handed to heads of chance.
   */
  readonly choose: 'farthest' | 'nearest' | 'random' | 'permuted';
  /** Is the head nearest to the centre one of them, as published? */
  readonly nearestToo: boolean;
  /** Uniform numbers for the controls of chance. */
  readonly random: () => number;
}

/** `count` heads that keep the whole prompt, ascending. Of equal distances the first head counts as farther, and as nearer. */
export function chooseHeads(
  distances: Float64Array,
  count: number,
  { choose, nearestToo, random }: HeadChoice,
): number[] {
  const heads = Array.from(distances, (_, head) => head);
  if (choose === 'random') return ascending(shuffle(heads, random).slice(0, count));
  // In single precision: of two heads both are as far from their mean, but for rounding.
  const rounded = Array.from(distances, Math.fround);
  const seen = choose === 'permuted' ? shuffle(rounded, random) : rounded;
  if (choose === 'nearest')
    return largest(
      seen.map((distance) => -distance),
      count,
    );
  if (count === 0 || !nearestToo) return largest(seen, count);
  const nearest = seen.indexOf(Math.min(...seen));
  const others = heads.filter((head) => head !== nearest);
  const far = largest(
    others.map((head) => seen[head]!),
    count - 1,
  );
  return ascending([nearest, ...far.map((at) => others[at]!)]);
}

const ascending = (heads: number[]) => heads.sort((a, b) => a - b);

/**
 * Middle tokens that each other head may keep, so that a layer has `budget` entries over all heads: (budget − prompt · whole) /
 * (heads − whole) − sinks − recent, rounded down. Below 0 there is no room for them, nor for all the others.
 */
export function middleTokens(
  budget: number,
  { prompt, heads, whole, sinks, recent }: Readonly<Record<'prompt' | 'heads' | 'whole' | 'sinks' | 'recent', number>>,
): number {
  if (whole === heads) return 0;
  return Math.floor((budget - prompt * whole) / (heads - whole) + 1e-9) - sinks - recent;
}
