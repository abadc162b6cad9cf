/**
 * Markdown whose texts cannot become markup. What is given has passed `escapeText` before: no line breaks, nothing unseen.
 */

/** A text in a paragraph or a cell of a table. */
export const markdownText = (text: string): string =>
  text
    .replace(/[\\`*_[\]|~$]/g, '\\$&')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    // What begins a list or a heading, or is a rule.
    .replace(/^(\s*)([-+=#])(?=[-=#\s]|$)/, '$1\\$2')
    .replace(/^(\s*\d+)([.)])(?=\s|$)/, '$1\\$2');

/** A block of code, fenced by more backticks than it has in a row. */
export function codeBlock(language: string, code: string): string {
  const longest = Math.max(2, ...[...code.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${code}\n${fence}`;
}

/** Rows of cells that are Markdown already. */
export function markdownTable(
  columns: readonly { readonly title: string; readonly right?: boolean }[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(columns.map(({ title }) => title)),
    line(columns.map(({ right }) => (right ? '---:' : '---'))),
    ...rows.map(line),
  ].join('\n');
}

/** An arXiv id as a link; anything else as text. */
export const arxivLink = (id: string): string =>
  /^\d{4}\.\d{4,5}$/.test(id) ? `[arXiv ${id}](https://arxiv.org/abs/${id})` : markdownText(id);
