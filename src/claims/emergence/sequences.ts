import { seededRandom, seedFor } from '../../random.ts';
import { bosId, dirichletLanguage, sequences as drawn } from '../../train/toys/backcopy-language.ts';
import type { EmergenceSetting } from './setting.ts';

/** Predicted tokens of a sequence: the card measures sinks at this length, and values of different lengths are never compared. */
export const T = 64;
/** Sequences that nothing is trained on, for loss and sinks. */
const heldOut = 100;

export interface Sequences {
  /** ids [B][T + 1] of step `i`. */
  batch(i: number): number[][];
  readonly heldOut: readonly (readonly number[])[];
}

/** The bigram/backcopy language with the first tokens that a setting asks for. The language is the same for every seed; what is drawn is not. */
export function sequencesOf(setting: EmergenceSetting, seed: number): Sequences {
  const language = dirichletLanguage(0);
  const { firstToken, batch, sequences } = setting;
  const draw = (count: number, random: () => number) =>
    drawn(random, count, { T, bos: firstToken === 'fixed', language }).map((ids) => withFirst(ids, firstToken, random));
  const stream = (name: string) => seededRandom(seedFor(seed, name));
  const kept = sequences === null ? undefined : draw(sequences, stream('sequences'));
  return {
    batch(i) {
      const random = seededRandom(seedFor(seed, 'batch', i));
      if (!kept) return draw(batch, random);
      return Array.from({ length: batch }, () => kept[Math.floor(random() * kept.length)]!);
    },
    heldOut: draw(heldOut, stream('held out')),
  };
}

/** The token of `fixed` is the one that BOS is: it stands nowhere else. */
function withFirst(ids: readonly number[], first: EmergenceSetting['firstToken'], random: () => number): number[] {
  const any = () => Math.floor(random() * bosId);
  const at = (changes: Readonly<Record<number, number>>) => ids.map((id, t) => changes[t] ?? id);
  switch (first) {
    case 'random':
      return at({ 0: any() });
    case 'two random':
      return at({ 0: any(), 1: any() });
    case 'second random':
      return at({ 1: any() });
    case 'fixed second':
      return at({ 1: bosId });
    case 'fixed third':
      return at({ 2: bosId });
    default:
      return [...ids];
  }
}
