import { InputError, RunError } from '../error.ts';
import { medianMagnitude } from './median.ts';
import type { MassiveActivation } from './result.ts';

/**
 * Massive activations (Sun et al., 2402.17762): an entry h[t, m] of the residual stream after a block is massive when |h| > 100 and
 * |h| ≥ 1000 × the median of |h| over all T · M entries of that layer. The authors call the factor loose ("at least or around"), so
 * an entry above 100 with a ratio of 500 to 1000 is reported as borderline (the lower bound is ours).
 */
export const massiveCriterion = { floor: 100, ratio: 1000, borderlineRatio: 500 } as const;

export type MassiveLabel = 'massive' | 'borderline' | 'below the floor' | 'ordinary';

export interface ResidualEntry {
  readonly value: number;
  readonly position: number;
  readonly dimension: number;
}

/** What one layer must deliver: its largest |entries|, largest first (three, fewer when it has fewer), and the median of |h|. */
export interface ResidualExtremes {
  readonly largest: readonly ResidualEntry[];
  readonly median: number;
}

export interface MassiveFindings {
  /** Massive entries among the largest of each layer, and the largest entry of each borderline layer; by layer, largest first. */
  activations: MassiveActivation[];
  /** First layer whose output has a massive entry; null when none has. */
  written: number | null;
  /** Last layer whose output has one; null when none has. */
  last: number | null;
  /** The layer after `last`, whose block erases it; null when there is none or it survives to the end. */
  erased: number | null;
  /** Largest |h| / median over layers: the scale-free figure for small models. */
  largestRatio: number;
}

/** Label of one entry. 'below the floor' has the ratio but not the absolute size, as in small or rescaled models. */
export function massiveLabel(value: number, median: number): MassiveLabel {
  const ratio = ratioToMedian(value, median);
  if (Math.abs(value) <= massiveCriterion.floor) {
    return ratio >= massiveCriterion.ratio ? 'below the floor' : 'ordinary';
  }
  if (ratio >= massiveCriterion.ratio) return 'massive';
  return ratio >= massiveCriterion.borderlineRatio ? 'borderline' : 'ordinary';
}

/** |value| / median; a median of 0 counts as the least normal float32, which keeps the ratio finite. */
export function ratioToMedian(value: number, median: number): number {
  return Math.abs(value) / Math.max(median, 2 ** -126);
}

/** @param residual [T, M] row-major, raw residual after a block. Throws an InputError for a wrong length, a RunError for NaN or infinity. */
export function residualExtremes(residual: ArrayLike<number>, T: number, M: number): ResidualExtremes {
  if (T < 1 || M < 1 || residual.length !== T * M) {
    throw new InputError(`residual: expected T × M = ${T} × ${M} values, got ${residual.length}`);
  }
  const indices: number[] = [];
  for (let at = 0; at < residual.length; at++) {
    const magnitude = Math.abs(residual[at]!);
    if (!Number.isFinite(magnitude)) {
      throw new RunError(`residual: position ${Math.floor(at / M)} dimension ${at % M} is ${residual[at]}`);
    }
    if (indices.length === 3 && magnitude <= Math.abs(residual[indices[2]!]!)) continue;
    let place = indices.length;
    while (place > 0 && magnitude > Math.abs(residual[indices[place - 1]!]!)) place--;
    indices.splice(place, 0, at);
    indices.length = Math.min(indices.length, 3);
  }
  const largest = indices.map((at) => ({ value: residual[at]!, position: Math.floor(at / M), dimension: at % M }));
  return { largest, median: medianMagnitude(residual) };
}

/**
 * Massive activations of one text. `layers` has one entry a layer, in order.
 *
 * @throws RunError for an entry or a median that is not finite.
 */
export function detectMassive(layers: readonly ResidualExtremes[]): MassiveFindings {
  const activations: MassiveActivation[] = [];
  let largestRatio = 0;
  layers.forEach(({ largest, median }, layer) => {
    if (!(median >= 0 && Number.isFinite(median)))
      throw new RunError(`residual: the median of layer ${layer} is ${median}`);
    largest.forEach(({ value, position, dimension }, place) => {
      if (!Number.isFinite(value)) {
        throw new RunError(`residual: layer ${layer} position ${position} dimension ${dimension} is ${value}`);
      }
      const ratio = ratioToMedian(value, median);
      const label = massiveLabel(value, median);
      largestRatio = Math.max(largestRatio, ratio);
      if (label === 'massive' || (label === 'borderline' && place === 0)) {
        activations.push({ layer, position, dimension, value, ratio, massive: label === 'massive' });
      }
    });
  });
  const carrying = activations.filter(({ massive }) => massive).map(({ layer }) => layer);
  const written = carrying[0] ?? null;
  const last = carrying.at(-1) ?? null;
  const erased = last !== null && last + 1 < layers.length ? last + 1 : null;
  return { activations, written, last, erased, largestRatio };
}
