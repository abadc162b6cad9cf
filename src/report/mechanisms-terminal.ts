import { escapeText } from './escape.ts';
import type { MechanismsReport } from './mechanisms.schema.ts';
import { mechanismColumns } from './mechanisms-figures.ts';
import type { Paint } from './terminal/paint.ts';
import { table, wrap } from './terminal/text.ts';
import { duration } from './train-words.ts';

/** One table for each card, and what the columns mean. */
export function renderMechanisms(report: MechanismsReport, it: Paint): string {
  const { bold } = it.style;
  const lines: string[] = [];
  const columns = mechanismColumns(report.toys.map(({ name }) => name)).filter(({ wide }) => !wide);
  for (const title of new Set(report.mechanisms.map((row) => row.title))) {
    const rows = report.mechanisms.filter((row) => row.title === title);
    const shown = columns.filter(({ cell, text }) => text || rows.some((row) => cell(row) !== 'n/a'));
    lines.push(bold(escapeText(title)), ...wrap(escapeText(rows[0]!.idea), it.width), '');
    lines.push(
      ...table(
        shown.map(({ title: name, text }) => ({ title: name, ...(text ? {} : { align: 'right' as const }) })),
        rows.map((row) => shown.map(({ cell }) => cell(row))),
        it.width,
      ),
      '',
    );
  }
  lines.push(...wrap(explained(report), it.width));
  return `${lines.join('\n')}\n`;
}

/** What was run, in two sentences. */
export function explained({ toys, seeds, provenance }: MechanismsReport): string {
  const runs = toys.map(({ name, steps }) => `${escapeText(name)} (${steps} steps)`).join(', ');
  return `${runs}; ${seeds.length === 1 ? 'one seed' : `${seeds.length} seeds, ± between them`}; mean of the last ten steps. Shares on BOS are of attention, of |w| / Σ|w| where rows sum to anything; uniform attention: 0.04; n/a: there is no such thing. ${duration(provenance.seconds)} of training.`;
}
