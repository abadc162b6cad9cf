import type { MassiveActivation, ScanResult } from '../measure/result.ts';
import { number, percent } from './format.ts';

/** One huge number that persists: the same position and dimension over several layers. */
export interface MassiveRun {
  position: number;
  dimension: number;
  /** Layers where the criterion holds; in a run that is nowhere massive the borderline ones. */
  layers: number[];
  /** The entry with the largest |value|. */
  peak: MassiveActivation;
  massive: boolean;
}

/** Massive activations grouped by position and dimension, the largest first. */
export function massiveRuns(entries: readonly MassiveActivation[]): MassiveRun[] {
  const groups = new Map<string, MassiveActivation[]>();
  for (const entry of entries) {
    const key = `${entry.position} ${entry.dimension}`;
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return [...groups.values()]
    .map((group): MassiveRun => {
      const massive = group.some((entry) => entry.massive);
      const counted = group.filter((entry) => entry.massive === massive);
      const peak = group.reduce((best, next) => (Math.abs(next.value) > Math.abs(best.value) ? next : best));
      const { position, dimension } = peak;
      return { position, dimension, massive, peak, layers: counted.map(({ layer }) => layer).sort((a, b) => a - b) };
    })
    .sort((a, b) => Math.abs(b.peak.value) - Math.abs(a.peak.value));
}

/** How many of the texts have massive activations, and where; empty when one text was measured. */
export function placesSentence({ massiveTexts }: ScanResult): string {
  if (!massiveTexts) return '';
  const { texts, carrying, places, more, medianError } = massiveTexts;
  const told = `${texts} texts (medians to ${percent(medianError)})`;
  if (carrying === 0) return `None in ${told}.`;
  const shown = places.slice(0, 3).map(({ position, dimension, texts: n, firstLayer, lastLayer, value }) => {
    const layers = firstLayer === lastLayer ? `layer ${firstLayer}` : `layers ${firstLayer}–${lastLayer}`;
    return `position ${position} dimension ${dimension} in ${n} (${layers}, up to ${number(value)})`;
  });
  const rest = more + places.length - shown.length;
  return `In ${carrying} of ${told}: ${shown.join('; ')}${rest > 0 ? `; ${rest} more places` : ''}.`;
}

/** The largest |residual| over the median, over all layers; NaN when there is no median. */
export function largestRatio({ page }: ScanResult): number {
  const ratios = page.curves.largest.map(([m1], l) => m1 / page.curves.median[l]!).filter(Number.isFinite);
  return ratios.length === 0 ? Number.NaN : Math.max(...ratios);
}
