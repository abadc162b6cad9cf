import type { MassiveActivation, ScanResult } from '../measure/result.ts';

/** One huge number that persists: the same position and dimension over several layers. */
export interface MassiveRun {
  position: number;
  dimension: number;
  layers: number[];
  /** The entry with the largest |value|. */
  peak: MassiveActivation;
  massive: boolean;
}

/** Massive activations grouped by position and dimension, the largest first. */
export function massiveRuns(entries: readonly MassiveActivation[]): MassiveRun[] {
  const runs = new Map<string, MassiveRun>();
  for (const entry of entries) {
    const key = `${entry.position} ${entry.dimension}`;
    const run = runs.get(key);
    if (run === undefined) {
      const { position, dimension, massive, layer } = entry;
      runs.set(key, { position, dimension, massive, layers: [layer], peak: entry });
      continue;
    }
    run.layers.push(entry.layer);
    run.massive ||= entry.massive;
    if (Math.abs(entry.value) > Math.abs(run.peak.value)) run.peak = entry;
  }
  for (const run of runs.values()) run.layers.sort((a, b) => a - b);
  return [...runs.values()].sort((a, b) => Math.abs(b.peak.value) - Math.abs(a.peak.value));
}

/** The largest |residual| over the median, over all layers; NaN when there is no median. */
export function largestRatio({ page }: ScanResult): number {
  const ratios = page.curves.largest.map(([m1], l) => m1 / page.curves.median[l]!).filter(Number.isFinite);
  return ratios.length === 0 ? Number.NaN : Math.max(...ratios);
}
