/** A figure of several runs. */
export interface OverSeeds {
  readonly mean: number;
  /** Between the runs, n − 1 in the denominator; undefined for one run. */
  readonly deviation: number | undefined;
  /** How many of the runs diverged, where some did; mean and deviation are NaN then. */
  readonly diverged?: { readonly runs: number; readonly of: number };
}

/** Mean and deviation; undefined where there is no run, or one has no such figure. */
export function overSeeds(values: readonly (number | null | undefined)[]): OverSeeds | undefined {
  if (values.length === 0 || values.some((value) => value === null || value === undefined)) return undefined;
  const known = values as number[];
  const runs = known.filter(Number.isNaN).length;
  if (runs > 0) return { mean: Number.NaN, deviation: Number.NaN, diverged: { runs, of: known.length } };
  const mean = known.reduce((a, b) => a + b, 0) / known.length;
  if (known.length < 2) return { mean, deviation: undefined };
  return { mean, deviation: Math.sqrt(known.reduce((a, b) => a + (b - mean) ** 2, 0) / (known.length - 1)) };
}

/** `0.95 ± 0.01`, `0.95` for one run, `n/a` for a figure that is not there, `2 of 3 diverged` where runs did. */
export function spread(found: OverSeeds | undefined, format: (value: number) => string): string {
  if (found === undefined) return 'n/a';
  if (found.diverged)
    return found.diverged.of === 1 ? 'diverged' : `${found.diverged.runs} of ${found.diverged.of} diverged`;
  if (found.deviation === undefined) return format(found.mean);
  return `${format(found.mean)} ± ${format(found.deviation)}`.replace(/\u00a0%(?= ±)/, '');
}
