import stringWidth from 'string-width';

/** Columns that a text without control characters takes in a terminal. */
export const columns = (text: string) => stringWidth(text);

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - columns(text)));
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - columns(text))) + text;
}

/** Cut to a width, with `…` in place of what is missing. */
export function cut(text: string, width: number): string {
  if (columns(text) <= width) return text;
  let shown = '';
  let used = 0;
  for (const character of text) {
    const size = columns(character);
    if (used + size > width - 1) break;
    shown += character;
    used += size;
  }
  return `${shown}…`;
}

/** Lines of at most `width` columns; `indent` stands before each, `first` before the first instead. A longer word is broken. */
export function wrap(text: string, width: number, indent = '', first = indent): string[] {
  const lines: string[] = [];
  let line = first;
  let used = columns(first);
  let fresh = true;
  const next = () => {
    lines.push(line);
    line = indent;
    used = columns(indent);
    fresh = true;
  };
  for (const word of text.split(' ')) {
    if (!fresh && used + 1 + columns(word) > width) next();
    if (!fresh) {
      line += ' ';
      used++;
    }
    for (const character of word) {
      const size = columns(character);
      if (used + size > width && !fresh) next();
      line += character;
      used += size;
      fresh = false;
    }
    fresh = false;
  }
  lines.push(line);
  return lines;
}

export interface Column {
  title: string;
  align?: 'left' | 'right';
  /** May be cut down to this many columns when the table is too wide; whole without it. */
  least?: number;
  /** Left out when the table is still too wide, the highest number first; never without it. */
  drop?: number;
}

/** A table of plain cells, two spaces between columns; the first line holds the titles. No line is wider than `width`. */
export function table(columnsOf: readonly Column[], rows: readonly (readonly string[])[], width: number): string[] {
  let kept = columnsOf.map((column, i) => ({ column, i }));
  const full = columnsOf.map((column, i) =>
    Math.max(columns(column.title), ...rows.map((row) => columns(row[i] ?? ''))),
  );
  const widths = [...full];
  const total = () => kept.reduce((sum, { i }) => sum + widths[i]! + 2, -2);
  const shrink = () => {
    for (const { column, i } of kept) {
      widths[i] = full[i]!;
      const over = total() - width;
      if (over > 0 && column.least !== undefined) widths[i] = Math.max(column.least, widths[i]! - over);
    }
  };
  shrink();
  while (total() > width) {
    const worst = kept
      .filter(({ column }) => column.drop !== undefined)
      .sort((a, b) => b.column.drop! - a.column.drop!)[0];
    if (worst === undefined) break;
    kept = kept.filter((entry) => entry !== worst);
    shrink();
  }
  const line = (cells: readonly string[]) => {
    const whole = kept
      .map(({ column, i }) => {
        const cell = cut(cells[i] ?? '', widths[i]!);
        return column.align === 'right' ? padStart(cell, widths[i]!) : padEnd(cell, widths[i]!);
      })
      .join('  ')
      .trimEnd();
    return cut(whole, width);
  };
  return [line(columnsOf.map((column) => column.title)), ...rows.map(line)];
}
