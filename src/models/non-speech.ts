import type { Tokenizer } from '../load/tokenizer.ts';

const signs = [
  ...'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
  ...['<<', '>>', '<<<', '>>>', '--', '---', '-(', '-[', "('", '("', '((', '))', '(((', ')))', '[[', ']]', '{{', '}}'],
  ...['♪♪', '♪♪♪'],
];
/** Of these the first token is enough: they are made of several. */
const notes = [...'♩♪♫♬♭♮♯'];

/** Tokens of signs that nobody says: brackets, quotes, speakers' dashes, notes, as Whisper's authors leave them out (2212.04356). */
export function nonSpeechIds(tokenizer: Tokenizer): Set<number> {
  const ids = new Set<number>();
  const take = (text: string, always: boolean) => {
    const [first, ...rest] = tokenizer.encode(text);
    if (first !== undefined && (always || rest.length === 0)) ids.add(first);
  };
  // Inside words both are said.
  for (const text of [' -', " '"]) take(text, true);
  for (const sign of [...signs, ...notes]) for (const text of [sign, ` ${sign}`]) take(text, notes.includes(sign));
  return ids;
}
