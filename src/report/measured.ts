import type { Measured, MeasuredCurves, MeasuredMap, ScanResult } from '../measure/result.ts';
import { largest } from './format.ts';

const isCurves = (one: Measured): one is MeasuredCurves => one.kind === 'curves';
const isMap = (one: Measured): one is MeasuredMap => one.kind === 'map';

export const measuredCurves = ({ page }: ScanResult): MeasuredCurves[] => page.measured.filter(isCurves);
export const measuredMaps = ({ page }: ScanResult): MeasuredMap[] => page.measured.filter(isMap);

/** Values of layers as plots take them: NaN where there is none. */
export const orNaN = (values: readonly (number | null)[]): number[] => values.map((value) => value ?? Number.NaN);

export interface Line {
  readonly label: string;
  /** NaN in layers without a value. */
  readonly values: readonly number[];
}

/** The curves of a measurement with its value under uniform attention, where it has one, as the last. */
export function linesOf({ series, baseline }: MeasuredCurves): Line[] {
  const lines = typeof baseline === 'string' ? series : [...series, { label: 'uniform attention', values: baseline }];
  return lines.map(({ label, values }) => ({ label, values: orNaN(values) }));
}

/** Why a measurement has no value under uniform attention; empty when it has one. */
export function withoutBaseline({ baseline }: Measured): string {
  return typeof baseline === 'string' ? `Baseline: ${baseline}.` : '';
}

/** One curve by the title of its picture; empty where the result does not have it. */
export function seriesOf(result: ScanResult, title: string, label: string): number[] {
  const found = measuredCurves(result).find((one) => one.title === title);
  return orNaN(found?.series.find((one) => one.label === label)?.values ?? []);
}

/** End of a map's colour scale: 1 for shares, else its largest value. */
export function reachOf({ share, values }: MeasuredMap): number {
  return share ? 1 : Math.max(1e-9, largest(values.flatMap((row) => row ?? [])));
}
