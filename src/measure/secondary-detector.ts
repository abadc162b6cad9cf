import { InputError } from '../error.ts';
import { medianMagnitude } from './median.ts';

/**
 * Secondary sinks (Wong et al., 2512.22213): tokens that a middle layer turns onto the direction of the primary sink's residual.
 * Everything is after a block, blocks counted from 0, embeddings not counted. Only norms and cosines are needed, never residuals.
 */
export interface Primary {
  readonly position: number;
  /** Layers start … end − 1, between the rise and the fall of the primary's norm. */
  readonly start: number;
  readonly end: number;
  /** Median over those layers of ‖h_b‖ / median of ‖h_t‖ over the other tokens. */
  readonly normRatio: number;
  /** normRatio ≥ `massiveNormRatio`: without a massive norm there is no primary sink, and nothing can be secondary to it. */
  readonly massive: boolean;
}

export type TurnLabel = 'noise' | 'secondary' | 'primary-like';

/** A token whose residual turns onto the primary's: |cos(h_t, h_b)| > 0.9 in some layer of the window. */
export interface TurnedToken {
  readonly position: number;
  readonly layers: readonly number[];
  /** First and last of `layers`; their number is `life`: gaps are possible, so life ≤ last − first + 1. (first, life) is the sink level. */
  readonly first: number;
  readonly last: number;
  readonly life: number;
  readonly label: TurnLabel;
  readonly cosine: number;
}

/** Ours: the published levels are about 300; random initialisation gives about 1. */
export const massiveNormRatio = 10;
const cosineThreshold = 0.9;
/** Ours: the original constants (noise to 4 layers, primary-like from N − 15) were chosen on deep models and leave shallow ones no range. */
const deep = 32;

/**
 * Steps 1 and 2: the candidate with the highest norm averaged over layers (the earliest on ties), and its window:
 * d_l = n_(l+1) − n_l, start = argmax d + 1, end = argmin d[start:] + start + 1 (N when nothing follows start).
 *
 * @param norms [L][T] ‖h_t‖ after each block.
 * @param candidates positions that may be primary: 0 and 1, with a chat template 0, 1 and 2 (the original choice).
 * @throws InputError for fewer than two layers, uneven layers, a candidate outside the text, a norm that is negative or not finite.
 */
export function findPrimary(norms: readonly ArrayLike<number>[], candidates: readonly number[] = [0, 1]): Primary {
  const T = checkTable('norms', norms);
  if (norms.length < 2) throw new InputError(`secondary sinks: expected at least two layers, got ${norms.length}`);
  const present = candidates.filter((position) => position < T);
  if (present.length === 0 || present.some((position) => !(Number.isInteger(position) && position >= 0))) {
    throw new InputError(`secondary sinks: candidates must be positions in 0…${T - 1}, got ${candidates.join(', ')}`);
  }
  const total = (position: number) => norms.reduce((sum, layer) => sum + layer[position]!, 0);
  const position = present.reduce((best, next) => (total(next) > total(best) ? next : best));
  const differences = norms.slice(1).map((layer, l) => layer[position]! - norms[l]![position]!);
  const start = differences.indexOf(Math.max(...differences)) + 1;
  const after = differences.slice(start);
  const end = after.length === 0 ? norms.length : after.indexOf(Math.min(...after)) + start + 1;
  const ratios = norms.slice(start, end).map((layer) => {
    const others = Array.from(layer).filter((_, t) => t !== position);
    return others.length === 0 ? 1 : layer[position]! / Math.max(medianMagnitude(others), 2 ** -126);
  });
  const normRatio = medianMagnitude(ratios);
  return { position, start, end, normRatio, massive: normRatio >= massiveNormRatio };
}

/**
 * Steps 3 and 4: tokens after the primary that turn onto it, by position; empty when the primary has no massive norm.
 * Original constants: life ≤ 4 noise, life ≥ N − 15 primary-like. Relative (ours): life < max(2, 0.1 N) noise, life ≥ 0.7 × window
 * primary-like. Default: original from 32 layers on.
 *
 * @param cosine [L][T] cos(h_t, h_b) after each block; only the layers of the window are read.
 */
export function findTurnedTokens(
  cosine: readonly ArrayLike<number>[],
  primary: Primary,
  constants: 'original' | 'relative' = cosine.length >= deep ? 'original' : 'relative',
): TurnedToken[] {
  const N = cosine.length;
  if (primary.end > N)
    throw new InputError(`secondary sinks: cosine has ${N} layers, the primary's window ends at ${primary.end}`);
  const T = checkTable('cosine', cosine.slice(primary.start, primary.end), primary.start);
  if (!primary.massive) return [];
  const found: TurnedToken[] = [];
  for (let position = primary.position + 1; position < T; position++) {
    const layers: number[] = [];
    for (let l = primary.start; l < primary.end; l++) {
      if (Math.abs(cosine[l]![position]!) > cosineThreshold) layers.push(l);
    }
    if (layers.length === 0) continue;
    found.push({
      position,
      layers,
      first: layers[0]!,
      last: layers.at(-1)!,
      life: layers.length,
      label: turnLabel(layers.length, N, primary.end - primary.start, constants),
      cosine: largestCosine(cosine, primary, position),
    });
  }
  return found;
}

/** Largest |cos(h_t, h_b)| over the layers of the primary's window. */
export function largestCosine(cosine: readonly ArrayLike<number>[], primary: Primary, position: number): number {
  let best = 0;
  for (let l = primary.start; l < primary.end; l++) best = Math.max(best, Math.abs(cosine[l]![position]!));
  return best;
}

/**
 * Step 5: attention to the primary beside the sum over the secondary sinks, layer by layer; where secondaries live the primary weakens.
 *
 * @param alpha [L][S] mean over heads of the mean attention each key gets from the queries that see it.
 */
export function sinkStrength(alpha: readonly ArrayLike<number>[], primary: Primary, tokens: readonly TurnedToken[]) {
  const secondary = tokens.filter(({ label }) => label === 'secondary');
  return {
    primary: alpha.map((layer) => layer[primary.position]!),
    secondary: alpha.map((layer) => secondary.reduce((sum, { position }) => sum + layer[position]!, 0)),
  };
}

function turnLabel(life: number, N: number, window: number, constants: 'original' | 'relative'): TurnLabel {
  if (constants === 'original') {
    if (life <= 4) return 'noise';
    return life < N - 15 ? 'secondary' : 'primary-like';
  }
  if (life < Math.max(2, 0.1 * N)) return 'noise';
  return life >= 0.7 * window ? 'primary-like' : 'secondary';
}

function checkTable(name: 'norms' | 'cosine', table: readonly ArrayLike<number>[], firstLayer = 0): number {
  const T = table[0]?.length ?? 0;
  table.forEach((layer, l) => {
    if (layer.length !== T || T === 0) {
      throw new InputError(
        `secondary sinks: ${name} of layer ${l + firstLayer} has ${layer.length} positions, expected ${T || 'at least 1'}`,
      );
    }
    for (let t = 0; t < T; t++) {
      const value = layer[t]!;
      if (!Number.isFinite(value) || (name === 'norms' && value < 0)) {
        throw new InputError(`secondary sinks: ${name} of layer ${l + firstLayer}, position ${t} is ${value}`);
      }
    }
  });
  return T;
}
