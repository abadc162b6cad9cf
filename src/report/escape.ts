/**
 * Texts from models, prompts and file names are hostile: they may hold escape sequences, text-direction overrides or characters that
 * cannot be seen. Everything shown in a terminal or a page passes through here first. What is escaped:
 *
 * - control, format, surrogate, private and unassigned code points (C0, C1, bidirectional controls, zero-width characters, tags);
 * - separators other than the plain space; code points that a renderer ignores by default (fillers, variation selectors);
 * - from the fourth on, combining marks in a row.
 */
const unseen = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u;
const mark = /\p{M}/u;
const marksInARow = 3;

/** `\x1b` up to U+00FF, `\u{202e}` above. */
function code(character: string): string {
  const point = character.codePointAt(0)!;
  return point < 0x100 ? `\\x${point.toString(16).padStart(2, '0')}` : `\\u{${point.toString(16)}}`;
}

/** A sentence, name or path made safe to show: plain spaces stay, everything listed above is escaped. Never throws. */
export function escapeText(text: string): string {
  let shown = '';
  let marks = 0;
  for (const character of text) {
    const isMark = mark.test(character);
    marks = isMark ? marks + 1 : 0;
    if (character === ' ') shown += ' ';
    else if (unseen.test(character) || marks > marksInARow) shown += code(character);
    else if (isMark && shown === '') shown += `◌${character}`;
    else shown += character;
  }
  return shown;
}

/**
 * Text of a model as it comes, in pieces: line breaks, tabs, spaces of any width, joiners and variation selectors stay, so that emoji and
 * scripts that need them are whole; everything else that `escapeText` escapes for not being seen is escaped.
 */
export function escapeRunningText(text: string): string {
  let shown = '';
  for (const character of text)
    shown += unseen.test(character) && !harmless.test(character) ? code(character) : character;
  return shown;
}
const harmless = /\n|\t|\p{Zs}|\u200c|\u200d|\ufe0e|\ufe0f/u;

const whitespace: Record<string, string> = { ' ': '·', '\n': '↵', '\t': '→' };

/** The text of a token: as `escapeText`, with space shown as `·`, newline as `↵`, tab as `→`; an empty token as `∅`. */
export function visibleToken(text: string): string {
  if (text === '') return '∅';
  let shown = '';
  let run = '';
  for (const character of text) {
    const sign = whitespace[character];
    if (sign === undefined) run += character;
    else {
      shown += escapeText(run) + sign;
      run = '';
    }
  }
  return shown + escapeText(run);
}

/** JSON that can stand inside a `<script>` element: nothing in it can close the element or open a comment. */
export function embeddedJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
