import { InputError } from '../../error.ts';
import { type Tokenizer, withBos } from '../../load/tokenizer.ts';
import { seededRandom, seedFor } from '../../random.ts';
import type { Span } from './policy-run.ts';

/** A short fact in a long text, and the question for it. */
export interface NeedleTask {
  /** Where the fact stands: 0 at the start of the text, 1 at its end. */
  readonly depth: number;
  readonly code: string;
  /** Text with the fact, and the question. */
  readonly ids: readonly number[];
  readonly answer: readonly number[];
  /** The fact in the text. */
  readonly needle: Span;
}

export interface NeedleOptions {
  /** Tokens of text around the facts; repeated where they are too few. */
  readonly filler: readonly number[];
  /** Tokens of fact, filler and question together. */
  readonly tokens: number;
  /** Default 0.1, 0.3, 0.5, 0.7, 0.9. */
  readonly depths?: readonly number[];
  /** Codes at each depth. Default 1. */
  readonly codes?: number;
  /** Default 0. */
  readonly seed?: number;
}

export const needleDepths: readonly number[] = [0.1, 0.3, 0.5, 0.7, 0.9];

/** Five-digit codes hidden in a text at given depths, and asked for at its end. The same seed gives the same codes. */
export function needleTasks(
  tokenizer: Tokenizer,
  { filler, tokens, depths = needleDepths, codes = 1, seed = 0 }: NeedleOptions,
): NeedleTask[] {
  const wrong = depths.find((depth) => !(depth >= 0 && depth <= 1));
  if (wrong !== undefined) throw new InputError(`needles: expected depths from 0 to 1, got ${wrong}`);
  const encode = (text: string) => tokenizer.encode(text, { specialTokens: false });
  const question = encode('\nThe secret code is');
  return depths.flatMap((depth) =>
    Array.from({ length: codes }, (_, n) => {
      const random = seededRandom(seedFor(seed, 'needle', Math.round(depth * 1e6), n));
      const code = String(10_000 + Math.floor(random() * 90_000));
      const fact = encode(`\nThe secret code is ${code}. Remember it.\n`);
      const answer = encode(` ${code}`);
      const length = tokens - fact.length - question.length;
      if (length < 1)
        throw new InputError(
          `needles: expected room for more than the fact and the question, ${fact.length + question.length} tokens, got ${tokens}`,
        );
      const { ids: start, bosAdded } = withBos(tokenizer, [], 'auto');
      const own = filler[0] === start[0] && bosAdded ? filler.slice(1) : filler;
      if (own.length === 0) throw new InputError('needles: the text around them is empty');
      const around = Array.from({ length }, (_, i) => own[i % own.length]!);
      const at = Math.round(depth * length);
      const ids = [...start, ...around.slice(0, at), ...fact, ...around.slice(at), ...question];
      const from = start.length + at;
      return { depth, code, ids, answer, needle: { label: 'needle', from, to: from + fact.length } };
    }),
  );
}
