import { InputError } from '../../error.ts';

/** Span of a head in tokens on a text of N: alpha + beta · N. */
export interface SpanRule {
  readonly alpha: number;
  readonly beta: number;
}

/** min(alpha + beta · N, N), in whole tokens. */
export const spanOf = ({ alpha, beta }: SpanRule, length: number): number =>
  Math.min(length, Math.floor(alpha + beta * length + 1e-6));

export interface SearchSpaceOptions {
  /** Shortest text that a rule must leave a span of at least one token. Default 1024. */
  readonly shortest?: number;
  /** Longest text that is profiled. Default 8192. */
  readonly profiled?: number;
  /** Longest text that plans are made for. Default twice `profiled`. */
  readonly extended?: number;
  /** Distance of two alphas; they go from −shortest to `profiled`. Default 1024. */
  readonly step?: number;
  /** Number of betas, evenly from 0 to 1, at least 2. Default 9. */
  readonly betas?: number;
}

/**
 * The rules that are searched (2406.14909): alphas × betas, but for those longer than the text at `profiled` or `extended` tokens and those
 * without a span at `shortest`. Throws an InputError for sizes that are no whole numbers from 1, or in no order.
 */
export function searchSpace({
  shortest = 1024,
  profiled = 8192,
  extended = 2 * profiled,
  step = 1024,
  betas = 9,
}: SearchSpaceOptions = {}): SpanRule[] {
  for (const [name, value] of Object.entries({ shortest, profiled, extended, step, betas }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new InputError(`moa search space: expected ${name} to be a whole number from 1, got ${value}`);
  if (shortest > profiled || profiled > extended || betas < 2)
    throw new InputError(
      `moa search space: expected shortest ≤ profiled ≤ extended and two betas, got ${shortest}, ${profiled}, ${extended} and ${betas}`,
    );
  const rules: SpanRule[] = [];
  for (let alpha = -shortest; alpha <= profiled; alpha += step)
    for (let i = 0; i < betas; i++) {
      const beta = i / (betas - 1);
      const fits = [profiled, extended].every((length) => alpha + beta * length <= length);
      if (fits && alpha + beta * shortest > 0) rules.push({ alpha, beta });
    }
  return rules;
}
