import type { Tokenizer } from './tokenizer.ts';

/**
 * `class`, `separator`: [CLS] and [SEP] of encoders, the class token of a vision transformer; `register` and `distillation` stand beside it;
 * `patch`: of a picture; `frame`: of a spectrogram.
 */
export type TokenRole =
  | 'bos'
  | 'first'
  | 'template'
  | 'special'
  | 'text'
  | 'class'
  | 'separator'
  | 'distillation'
  | 'register'
  | 'patch'
  | 'frame';
export type TokenClass = 'space' | 'newline' | 'digit' | 'punctuation' | 'letter' | 'byte' | 'other';

export interface TokenInfo {
  position: number;
  id: number;
  /** The text of this token alone; untrusted, may hold any code point. */
  text: string;
  role: TokenRole;
  class: TokenClass;
  /** Place of a patch in its picture, from the upper left. */
  patch?: { row: number; column: number };
  /** When a frame begins. */
  seconds?: number;
}

export interface TokenRoleOptions {
  /** Default: the tokenizer's. */
  readonly bosId?: number;
  /** Ids of [CLS] and [SEP], where the model is an encoder that reads them. */
  readonly classId?: number;
  readonly separatorId?: number;
  /** [start, end) of token positions that a chat template wrote. */
  readonly templateSpans?: readonly (readonly [number, number])[];
}

/**
 * Names each token by role and Unicode class. The first rule that fits gives the role: class or separator id, BOS id, position 0,
 * inside a template span, special id, else text. Texts are untrusted and not escaped.
 */
export function describeTokens(
  ids: readonly number[],
  tokenizer: Tokenizer,
  options: TokenRoleOptions = {},
): TokenInfo[] {
  const bosId = options.bosId ?? tokenizer.bosId;
  const inTemplate = new Uint8Array(ids.length);
  for (const [start, end] of options.templateSpans ?? []) inTemplate.fill(1, start, end);
  return ids.map((id, position) => {
    const rules: [boolean, TokenRole][] = [
      [id === options.classId, 'class'],
      [id === options.separatorId, 'separator'],
      [id === bosId, 'bos'],
      [position === 0, 'first'],
      [inTemplate[position] === 1, 'template'],
      [tokenizer.specialIds.has(id), 'special'],
    ];
    const role = rules.find(([holds]) => holds)?.[1] ?? 'text';
    return { position, id, text: tokenizer.token(id), role, class: tokenClass(tokenizer.tokenBytes(id)) };
  });
}

const leadingTexts = { class: '[CLS]', distillation: '[DIST]', register: '[REG]' };

/**
 * Positions of a vision transformer: what stands before the patches, then the patches row by row. They have no ids (−1).
 *
 * @param start position of the first, where the picture stands inside a text. Default 0.
 */
export function describePatches(
  leading: readonly (keyof typeof leadingTexts)[],
  grid: { readonly rows: number; readonly columns: number },
  start = 0,
): TokenInfo[] {
  let registers = 0;
  const before = leading.map((role): Omit<TokenInfo, 'position'> => {
    const text = role === 'register' ? `[REG${++registers}]` : leadingTexts[role];
    return { id: -1, text, role, class: 'other' };
  });
  const patches = Array.from({ length: grid.rows * grid.columns }, (_, i): Omit<TokenInfo, 'position'> => {
    const [row, column] = [Math.floor(i / grid.columns), i % grid.columns];
    return { id: -1, text: `${row},${column}`, role: 'patch', class: 'other', patch: { row, column } };
  });
  return [...before, ...patches].map((token, i) => ({ position: start + i, ...token }));
}

/** Positions of a spectrogram's encoder, each `seconds` long. They have no ids (−1). */
export function describeFrames(count: number, seconds: number): TokenInfo[] {
  return Array.from({ length: count }, (_, position) => {
    const begins = Number((position * seconds).toFixed(6));
    return { position, id: -1, text: `${begins.toFixed(2)}s`, role: 'frame', class: 'other', seconds: begins };
  });
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Class of a token's UTF-8 bytes: `byte` where they are no whole characters; `newline` where white space holds a line break;
 * `space` for other white space; else by the first character that is not white space: `letter` (with marks), `digit` (numbers),
 * `punctuation` (with symbols), `other` (controls, unassigned; and a token without bytes).
 */
export function tokenClass(bytes: Uint8Array): TokenClass {
  let text: string;
  try {
    text = strict.decode(bytes);
  } catch {
    return 'byte';
  }
  if (text === '') return 'other';
  const first = Array.from(text).find((character) => !/\p{White_Space}/u.test(character));
  if (first === undefined) return /[\n\r\v\f\u0085\u2028\u2029]/.test(text) ? 'newline' : 'space';
  if (/[\p{L}\p{M}]/u.test(first)) return 'letter';
  if (/\p{N}/u.test(first)) return 'digit';
  return /[\p{P}\p{S}]/u.test(first) ? 'punctuation' : 'other';
}

/**
 * Token positions that hold nothing but template text.
 * @param contents [start, end) of message contents in `text`, UTF-16 units.
 * @returns [start, end) spans of positions, or undefined where the tokens do not spell the text byte for byte.
 */
export function templateSpans(
  ids: readonly number[],
  tokenizer: Tokenizer,
  text: string,
  contents: readonly (readonly [number, number])[],
): [number, number][] | undefined {
  const encoder = new TextEncoder();
  const bytes = encoder.encode(text);
  const byteContents = contents.map(([start, end]) => {
    const from = encoder.encode(text.slice(0, start)).length;
    return [from, from + encoder.encode(text.slice(start, end)).length] as const;
  });
  const spans: [number, number][] = [];
  let offset = 0;
  for (const [position, id] of ids.entries()) {
    const token = tokenizer.tokenBytes(id);
    if (!token.every((byte, index) => bytes[offset + index] === byte)) return undefined;
    const end = offset + token.length;
    const touches = byteContents.some(([from, to]) => offset < to && end > from);
    offset = end;
    if (touches) continue;
    const last = spans.at(-1);
    if (last?.[1] === position) last[1] = position + 1;
    else spans.push([position, position + 1]);
  }
  return offset === bytes.length ? spans : undefined;
}
