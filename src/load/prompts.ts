import { InputError } from '../error.ts';
import { type Tokenizer, withBos } from './tokenizer.ts';

/**
 * Token ids as a user writes them: `1,2,3`, `1 2 3` or a JSON list.
 * @throws InputError for anything but integers from 0 to the vocabulary's end, or for none.
 */
export function parseIds(text: string, vocabularySize: number): number[] {
  const trimmed = text.trim();
  const parts = trimmed.startsWith('[') ? jsonList(trimmed) : trimmed.split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length === 0) throw new InputError('--ids: no ids given; write them as 1,2,3');
  return parts.map((part, index) => {
    const id =
      typeof part === 'number' ? part : typeof part === 'string' && /^\d{1,9}$/.test(part) ? Number(part) : Number.NaN;
    if (Number.isInteger(id) && id >= 0 && id < vocabularySize) return id;
    throw new InputError(
      `--ids: entry ${index} is ${JSON.stringify(part)?.slice(0, 40)}; ids are integers from 0 to ${vocabularySize - 1}, written as 1,2,3`,
    );
  });
}

function jsonList(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value;
  } catch {
    // Said below.
  }
  throw new InputError('--ids: not a JSON list of integers; write [1, 2, 3] or 1,2,3');
}

export interface ProtocolOptions {
  /** Number of texts; default 100. */
  readonly texts?: number;
  /** Tokens of each text, BOS included; default 64. */
  readonly tokens?: number;
  readonly bos?: 'auto' | 'add' | 'none';
}

/**
 * Texts of equal length for the sink rate (2410.10781: 100 texts of 64 tokens), taken from evenly spaced places of a corpus, each
 * beginning at a word. The same corpus gives the same texts; they never overlap in characters.
 *
 * @returns ids [texts][tokens].
 * @throws InputError when the corpus is too short, naming how many texts it has room for.
 */
export function protocolTexts(
  corpus: string,
  tokenizer: Tokenizer,
  options: ProtocolOptions = {},
): { ids: number[][]; bosAdded: boolean } {
  const { texts = 100, tokens = 64, bos = 'auto' } = options;
  positiveInteger('texts', texts, 100_000);
  positiveInteger('tokens', tokens, 1_000_000);
  const room = Math.floor(corpus.length / texts);
  let bosAdded = false;
  const ids: number[][] = [];
  for (let index = 0; index < texts; index++) {
    const window = wordWindow(corpus, index * room, (index + 1) * room);
    const found = firstTokens(window, tokens, tokenizer);
    const made = withBos(tokenizer, found, bos);
    bosAdded ||= made.bosAdded;
    if (made.ids.length < tokens) {
      const most = Math.floor((texts * Math.max(made.ids.length, 1)) / tokens);
      throw new InputError(
        `corpus: text ${index} of ${texts} has room for ${made.ids.length} tokens, ${tokens} are needed; give a longer text, or ask for about ${most} texts`,
      );
    }
    ids.push(made.ids.slice(0, tokens));
  }
  return { ids, bosAdded };
}

/**
 * The first tokens of a text, BOS included, at most `tokens` (default 1000).
 * @throws InputError when the text is empty.
 */
export function pageIds(
  text: string,
  tokenizer: Tokenizer,
  options: { tokens?: number; bos?: 'auto' | 'add' | 'none'; specialTokens?: boolean } = {},
): { ids: number[]; bosAdded: boolean; cut: boolean } {
  const { tokens = 1_000, bos = 'auto', specialTokens = false } = options;
  positiveInteger('tokens', tokens, 10_000_000);
  const found = firstTokens(text, tokens, tokenizer, specialTokens);
  if (found.length === 0) throw new InputError('text: has no tokens; give some text with --text or --file');
  const { ids, bosAdded } = withBos(tokenizer, found, bos);
  return { ids: ids.slice(0, tokens), bosAdded, cut: ids.length > tokens };
}

/** Encodes no more of a long text than is needed, and one token more to see whether there is a rest. */
function firstTokens(text: string, tokens: number, tokenizer: Tokenizer, specialTokens = false): number[] {
  for (let length = tokens * 8 + 256; ; length *= 4) {
    if (length >= text.length) return tokenizer.encode(text, { specialTokens });
    const ids = tokenizer.encode(text.slice(0, length), { specialTokens });
    // The cut may have changed the last few tokens.
    if (ids.length > tokens + 16) return ids.slice(0, tokens + 1);
  }
}

/** From the first word that begins in [start, end) to the end of the last that ends there. */
function wordWindow(text: string, start: number, end: number): string {
  const space = (position: number) => position < 0 || position >= text.length || /\s/.test(text[position]!);
  let [from, to] = [start, end];
  while (from < end && !(space(from - 1) && !space(from))) from++;
  while (to > from && !(space(to) && !space(to - 1))) to--;
  return text.slice(from, to);
}

function positiveInteger(name: string, value: number, maximum: number): void {
  if (!Number.isInteger(value) || value < 1 || value > maximum) {
    throw new InputError(`${name}: expected an integer from 1 to ${maximum}, got ${value}`);
  }
}
