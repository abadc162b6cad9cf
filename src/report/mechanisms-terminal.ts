import { escapeText } from './escape.ts';
import { percent } from './format.ts';
import { mechanismGroups } from './mechanism-groups.ts';
import type { MechanismsReport } from './mechanisms.schema.ts';
import { columnsOf, mechanismColumns } from './mechanisms-figures.ts';
import type { Paint } from './terminal/paint.ts';
import { table, wrap } from './terminal/text.ts';
import { duration } from './train-words.ts';

/** One table for each card, and what the columns mean. */
export function renderMechanisms(report: MechanismsReport, it: Paint): string {
  const { bold } = it.style;
  const lines: string[] = [];
  const columns = mechanismColumns(report.toys.map(({ name }) => name)).filter(({ wide }) => !wide);
  for (const { title, idea, rows } of mechanismGroups(report)) {
    const shown = columnsOf(columns, rows);
    lines.push(bold(title), ...wrap(idea, it.width), '');
    lines.push(
      ...table(
        shown.map(({ title: name, text }) => ({ title: name, ...(text ? {} : { align: 'right' as const }) })),
        rows.map((row) => shown.map(({ cell }) => cell(row))),
        it.width,
      ),
      '',
    );
  }
  lines.push(...wrap(`${whatWasRun(report)} ${duration(report.provenance.seconds)} of training.`, it.width));
  return `${lines.join('\n')}\n`;
}

/** Toys, seeds and how to read the shares. */
export function whatWasRun({ toys, seeds, share }: MechanismsReport): string {
  const part = share === 1 ? '' : `, ${percent(share, 0)} of its own`;
  const runs = toys.map(({ name, steps }) => `${escapeText(name)} (${steps} steps${part})`).join(', ');
  return `${runs}; ${seeds.length === 1 ? 'one seed' : `${seeds.length} seeds, ± between them`}; mean of the last ten steps. Shares on BOS are of attention, of |w| / Σ|w| where rows sum to anything; uniform attention: 0.04; n/a: there is no such thing.`;
}
