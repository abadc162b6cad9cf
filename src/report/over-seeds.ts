/** A figure of several runs. */
export interface OverSeeds {
  readonly mean: number;
  /** Between the runs, n − 1 in the denominator; undefined for one run. */
  readonly deviation: number | undefined;
}

/** Mean and deviation; undefined where there is no run, or one has no such figure. */
export function overSeeds(values: readonly (number | null | undefined)[]): OverSeeds | undefined {
  if (values.length === 0 || values.some((value) => value === null || value === undefined)) return undefined;
  const known = values as number[];
  const mean = known.reduce((a, b) => a + b, 0) / known.length;
  if (known.length < 2) return { mean, deviation: undefined };
  return { mean, deviation: Math.sqrt(known.reduce((a, b) => a + (b - mean) ** 2, 0) / (known.length - 1)) };
}

/** `0.95 ± 0.01`, `0.95` for one run, `n/a` for a figure that is not there, `diverged` where one of the runs is no number. */
export function spread(found: OverSeeds | undefined, format: (value: number) => string): string {
  if (found === undefined) return 'n/a';
  if (Number.isNaN(found.mean)) return 'diverged';
  if (found.deviation === undefined) return format(found.mean);
  return `${format(found.mean)} ± ${format(found.deviation)}`.replace(/\u00a0%(?= ±)/, '');
}
