import type { ClaimsReport } from './claims.schema.ts';
import { escapeText } from './escape.ts';
import { number } from './format.ts';
import { overSeeds, spread } from './over-seeds.ts';
import type { Paint } from './terminal/paint.ts';
import { table, wrap } from './terminal/text.ts';
import { duration } from './train-words.ts';

type Statement = ClaimsReport['statements'][number];

/** Each statement with its verdict, its figures beside those of the card, and the command that repeats it. */
export function renderClaims({ statements, seeds }: ClaimsReport, it: Paint): string {
  const { bold, dim, green, yellow } = it.style;
  const lines: string[] = [];
  for (const statement of statements) {
    const verdict = (statement.verdict === 'shown' ? green : yellow)(statement.verdict);
    lines.push(`${bold(`${escapeText(statement.title)}: ${escapeText(statement.name)}`)} · ${verdict}`);
    lines.push(...wrap(`${escapeText(statement.says)} (${escapeText(statement.source)})`, it.width), '');
    if (statement.figures.length > 0)
      lines.push(
        ...table(
          [{ title: 'figure', least: 24 }, { title: 'found', align: 'right' }, { title: 'card' }],
          figureRows(statement),
          it.width,
        ),
      );
    if (statement.note !== null) lines.push(...wrap(escapeText(statement.note), it.width));
    lines.push(dim(`${escapeText(statement.command)} · ${duration(statement.seconds)} of training`), '');
  }
  const counts = ['shown', 'in part', 'not shown at this scale', 'not run'].map(
    (verdict) => `${statements.filter((statement) => statement.verdict === verdict).length} ${verdict}`,
  );
  lines.push(`${counts.join(', ')}; ${seeds.length === 1 ? 'one seed' : `${seeds.length} seeds, ± between them`}`);
  return `${lines.join('\n')}\n`;
}

/** What it is, what was found, what the card has. */
export function figureRows({ figures }: Statement): string[][] {
  return figures.map(({ about, values, expected, control }) => [
    `${control && !about.includes('(control)') ? 'control · ' : ''}${escapeText(about)}`,
    spread(overSeeds(values), (value) => number(value, 3)),
    expected === null ? '' : escapeText(expected),
  ]);
}
