import type { PolicyRun } from './policy-run.ts';
import { median } from './read-steps.ts';

/** What a table says of one policy. Null: there is nothing to tell it from. */
export interface PolicyFigures {
  readonly label: string;
  /** Tokens that were predicted after the first `capacity`. */
  readonly tokens: number;
  /** Their mean loss, nats. */
  readonly loss: number | null;
  /** Standard error of it, from the means of blocks of neighbours. */
  readonly error: number | null;
  readonly perplexity: number | null;
  /** Perplexity over the reference's, over the tokens that both predicted. */
  readonly ratio: { readonly value: number; readonly error: number | null; readonly tokens: number } | null;
  /** Median milliseconds of a token in the first and the last quarter of the timed stretches. */
  readonly early: number | null;
  readonly late: number | null;
  /** Most bytes of keys and values that were held. */
  readonly bytes: number;
}

const blocks = 20;

/** Mean, and its standard error from the means of up to 20 blocks of neighbours, which is wider than that of single values where these are alike. */
export function blockMean(values: readonly number[]): { mean: number; error: number | null } | undefined {
  if (values.length === 0) return undefined;
  const mean = (part: readonly number[]) => part.reduce((a, b) => a + b, 0) / part.length;
  const count = Math.min(blocks, Math.floor(values.length / 4));
  if (count < 3) return { mean: mean(values), error: null };
  const edge = (i: number) => Math.floor((i * values.length) / count);
  const means = Array.from({ length: count }, (_, i) => mean(values.slice(edge(i), edge(i + 1))));
  const middle = mean(means);
  const variance = means.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (count - 1);
  return { mean: mean(values), error: Math.sqrt(variance / count) };
}

/** Which policy others are held against: re-computation, else the full cache, else none. */
export const referenceOf = (labels: readonly string[]): string | null =>
  ['recompute', 'full'].find((label) => labels.includes(label)) ?? null;

/** Figures of every run after the first `capacity` tokens. */
export function policyFigures(runs: readonly PolicyRun[], capacity: number): PolicyFigures[] {
  const name = referenceOf(runs.map(({ label }) => label));
  const reference = runs.find(({ label }) => label === name);
  return runs.map((run) => {
    const found = blockMean(run.losses.slice(capacity).flatMap((loss) => loss ?? []));
    const { times } = run;
    const quarter = Math.ceil(times.length / 4);
    const middle = (part: PolicyRun['times']) => (part.length === 0 ? null : median(part.map(([, ms]) => ms)));
    return {
      label: run.label,
      tokens: run.losses.slice(capacity).filter((loss) => loss !== null).length,
      loss: found?.mean ?? null,
      error: found?.error ?? null,
      perplexity: found ? Math.min(Math.exp(found.mean), 1e300) : null,
      ratio: reference && reference !== run ? ratioTo(reference, run, capacity) : null,
      early: middle(times.slice(0, quarter)),
      late: middle(times.slice(times.length - quarter)),
      bytes: Math.max(0, ...run.bytes.map(([, bytes]) => bytes)),
    };
  });
}

function ratioTo(reference: PolicyRun, run: PolicyRun, capacity: number): PolicyFigures['ratio'] {
  const differences = run.losses.flatMap((loss, t) => {
    const other = reference.losses[t] ?? null;
    return t < capacity || loss === null || other === null ? [] : [loss - other];
  });
  const found = blockMean(differences);
  if (!found) return null;
  const value = Math.min(Math.exp(found.mean), 1e300);
  return {
    value,
    error: found.error === null ? null : Math.min(value * found.error, 1e300),
    tokens: differences.length,
  };
}
