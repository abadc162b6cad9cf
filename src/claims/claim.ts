import type { Experiment } from './experiment.ts';

/** Does what a card says appear here? Cards also say where it is not to be expected at this size. */
export type Verdict = 'shown' | 'in part' | 'not shown at this scale';

/** How much a person waits for: every run of a claim together in minutes, or in a night. */
export type ClaimSize = 'minutes' | 'night';

/** One number of a judgement. */
export interface Figure {
  /** What it is, with its unit. */
  readonly about: string;
  /** Of each run, by seed. */
  readonly values: readonly number[];
  /** As the card has it: published, or measured by the card's author; undefined where the card has none. */
  readonly expected?: string;
  /** A figure of a negative control. */
  readonly control?: true;
}

export interface Judgement {
  /** `not run` where something that it needs, such as a checkpoint, is not at hand. */
  readonly verdict: Verdict | 'not run';
  readonly figures: readonly Figure[];
  /** What to know when reading them. */
  readonly note?: string;
}

/** One thing that a card says under "Works when", as an experiment with a verdict. */
export interface Statement<S = unknown, R = unknown> {
  /** Short, unique in its card: `sink-gone`. */
  readonly name: string;
  /** What the card says, in a sentence. */
  readonly says: string;
  readonly experiment: Experiment<S, R>;
  /** Settings by label, each run with every seed; negative controls among them. */
  readonly settings: (size: ClaimSize) => Readonly<Record<string, S>>;
  /** From the results of each label, one for each seed. What counts is fixed here, before any figure is taken. */
  readonly judge: (results: Readonly<Record<string, readonly R[]>>) => Judgement;
}

/** The statements of one method card. */
export interface Claim {
  /** File name of the card without `.md`. */
  readonly card: string;
  readonly title: string;
  /** arXiv id. */
  readonly source: string;
  readonly statements: readonly Statement<never, never>[];
}

/** A statement with its types checked, for the list of a claim. */
export const statement = <S, R>(one: Statement<S, R>): Statement<never, never> =>
  one as unknown as Statement<never, never>;

/** Shown when everything held, in part when something did. */
export function verdictFrom(...held: readonly boolean[]): Verdict {
  return held.every(Boolean) ? 'shown' : held.some(Boolean) ? 'in part' : 'not shown at this scale';
}
