import { escapeText } from '../escape.ts';
import type { MechanismsReport } from '../mechanisms.schema.ts';
import { mechanismColumns } from '../mechanisms-figures.ts';
import { explained } from '../mechanisms-terminal.ts';
import { builder } from './dom.ts';
import { shell } from './shell.ts';
import { htmlTable } from './tables.ts';

/** The comparison as one self-contained page without any script. */
export async function renderMechanismsHtml(report: MechanismsReport): Promise<string> {
  const build = builder();
  const { element, document } = build;
  const title = 'Attention mechanisms side by side';
  const columns = mechanismColumns(report.toys.map(({ name }) => name));
  document.body.append(element('h1', {}, title), element('p', { class: 'soft' }, explained(report)));
  for (const name of new Set(report.mechanisms.map((row) => row.title))) {
    const rows = report.mechanisms.filter((row) => row.title === name);
    const [{ idea, equation, source }] = rows as [(typeof rows)[number]];
    const shown = columns.filter(({ cell, text }) => text || rows.some((row) => cell(row) !== 'n/a'));
    document.body.append(
      element('h2', {}, escapeText(name)),
      element('p', {}, `${escapeText(idea)} `, element('code', {}, escapeText(equation)), ` (${escapeText(source)})`),
      htmlTable(
        build,
        escapeText(name),
        shown.map((column, i) => ({
          title: column.title,
          ...(column.text ? (i > 0 ? {} : { class: 'wide' as const }) : { class: 'number' as const }),
        })),
        rows.map((row) => shown.map(({ cell }) => cell(row))),
      ),
    );
  }
  return shell({ title, body: document.body });
}
