/** How a text is cut into pieces before byte pairs are merged; no merge crosses a border of pieces. */
export type PiecePattern = 'smollm' | 'gpt-2';

const CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d";

/**
 * The pieces as one expression each. `gpt-2` is what the ByteLevel stage of tokenizer.json does. `smollm` takes each digit alone first and cuts
 * the runs between digits as `gpt-2` does: spaces before a digit stand at the end of such a run, hence the other look-ahead.
 */
const EXPRESSIONS: Readonly<Record<PiecePattern, RegExp>> = {
  'gpt-2': new RegExp(`${CONTRACTIONS}| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`, 'gu'),
  smollm: new RegExp(`${CONTRACTIONS}| ?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+|\\s+(?![^\\s\\p{N}])|\\s+`, 'gu'),
};

export const piecePatterns = Object.keys(EXPRESSIONS) as readonly PiecePattern[];

const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true } as const;

const DIGITS = { type: 'Split', pattern: { Regex: '\\p{N}' }, behavior: 'Isolated', invert: false } as const;

/** The `pre_tokenizer` of tokenizer.json. */
export function preTokenizer(pattern: PiecePattern) {
  return pattern === 'gpt-2' ? BYTE_LEVEL : ({ type: 'Sequence', pretokenizers: [DIGITS, BYTE_LEVEL] } as const);
}

/** Calls `visit` with every piece, in order: together they are the text. */
export function forEachPiece(text: string, pattern: PiecePattern, visit: (piece: string) => void): void {
  const expression = new RegExp(EXPRESSIONS[pattern]);
  for (let found = expression.exec(text); found !== null; found = expression.exec(text)) visit(found[0]);
}

/** A copy that does not keep the text alive which it was cut from (engines hold the whole text behind a part of it). */
export function detached(piece: string): string {
  return ` ${piece}`.slice(1);
}

/**
 * The pattern whose pieces can be encoded one by one with the same ids as the whole text, or undefined when the files do anything else to a text:
 * a normaliser, another pre-tokeniser, added tokens that are not special, lower case or spaces taken away by the config.
 */
export function patternOf(tokenizer: unknown, config: unknown): PiecePattern | undefined {
  const json = record(tokenizer);
  const settings = record(config);
  if (json.normalizer != null || record(json.model).type !== 'BPE') return undefined;
  if (settings.remove_space === true || settings.do_lowercase_and_remove_accent === true) return undefined;
  const added = Array.isArray(json.added_tokens) ? json.added_tokens : [];
  if (added.some((token) => record(token).special !== true)) return undefined;
  return piecePatterns.find((pattern) => sameStages(json.pre_tokenizer, preTokenizer(pattern)));
}

/** `trim_offsets` moves no border, so it may differ. */
function sameStages(found: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return found === wanted;
  if (Array.isArray(wanted)) {
    return Array.isArray(found) && found.length === wanted.length && wanted.every((w, i) => sameStages(found[i], w));
  }
  return Object.entries(wanted).every(
    ([key, value]) => key === 'trim_offsets' || sameStages(record(found)[key], value),
  );
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
