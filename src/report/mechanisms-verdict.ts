import { variantName } from './mechanism-groups.ts';
import type { MechanismRow } from './mechanisms.schema.ts';

type Expected = MechanismRow['expected'];

export const expectedWords: Readonly<Record<Expected, string>> = {
  ...{ gone: 'no sink', keeps: 'keeps it', reduced: 'reduced', moved: 'moved', open: 'says nothing' },
};

/**
 * Where attention on BOS is expected to be when there is nothing to copy, by what is expected of the sink: gone at most 0.15, kept at least
 * 0.3 (the acceptance of 2505.06708's card), reduced between; the ends belong to it but those of `reduced`. Undefined where nothing is
 * expected.
 */
export function expectedRange(expected: Expected): readonly [least: number, most: number] | undefined {
  switch (expected) {
    case 'gone':
    case 'moved':
      return [0, 0.15];
    case 'keeps':
      return [0.3, 1];
    case 'reduced':
      return [0.15, 0.8];
    case 'open':
      return undefined;
  }
}

/** Does every seed show what is expected? Null where nothing is, or nothing was measured. */
export function asExpected(expected: Expected, shares: readonly (number | undefined)[]): boolean | null {
  if (shares.length === 0 || shares.some((share) => share === undefined)) return null;
  const known = shares as number[];
  const [least, most] = expectedRange(expected) ?? [0, 1];
  switch (expected) {
    case 'gone':
    case 'moved':
      return known.every((share) => share <= most);
    case 'keeps':
      return known.every((share) => share >= least);
    case 'reduced':
      return known.every((share) => share > least && share < most);
    case 'open':
      return null;
  }
}

/** Variants by what came of what is expected of them. */
export interface Verdict {
  readonly shown: readonly MechanismRow[];
  readonly notShown: readonly MechanismRow[];
  /** Nothing is expected. */
  readonly open: readonly MechanismRow[];
  /** Something is expected, and there is nothing to measure it by. */
  readonly unmeasured: readonly MechanismRow[];
}

export const verdictOf = (rows: readonly MechanismRow[]): Verdict => ({
  shown: rows.filter((row) => row.asExpected === true),
  notShown: rows.filter((row) => row.asExpected === false),
  open: rows.filter((row) => row.asExpected === null && row.expected === 'open'),
  unmeasured: rows.filter((row) => row.asExpected === null && row.expected !== 'open'),
});

/** The verdict on the variants of one mechanism in words. */
export function verdictWords(rows: readonly MechanismRow[]): string {
  const { shown, notShown, open, unmeasured } = verdictOf(rows);
  const named = (of: readonly MechanismRow[]) =>
    of.map((row) => `${variantName(row)} (${expectedWords[row.expected]})`).join('; ');
  return [
    judgedWords(shown.length, notShown.length) + (shown.length > 0 ? `, in every seed: ${named(shown)}.` : '.'),
    ...(notShown.length > 0 ? [`Not so: ${named(notShown)}.`] : []),
    ...(unmeasured.length > 0 ? [`Expected, with nothing here to measure it by: ${named(unmeasured)}.`] : []),
    ...(open.length > 0 ? [`Nothing is expected of: ${open.map(variantName).join('; ')}.`] : []),
  ].join(' ');
}

function judgedWords(shown: number, notShown: number): string {
  const all = shown + notShown;
  const what = 'what is expected of the sink';
  if (all === 0) return 'No variant is judged here';
  if (all === 1) return `The one variant judged here does ${shown === 1 ? '' : 'not do '}${what}`;
  if (shown === 0) return `None of the ${all} variants judged here does ${what}`;
  if (notShown === 0) return `All ${all} variants judged here do ${what}`;
  return `${shown} of the ${all} variants judged here ${shown === 1 ? 'does' : 'do'} ${what}`;
}
