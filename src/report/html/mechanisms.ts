import { mechanismGroups } from '../mechanism-groups.ts';
import type { MechanismsReport } from '../mechanisms.schema.ts';
import { columnsOf, mechanismColumns } from '../mechanisms-figures.ts';
import { whatWasRun } from '../mechanisms-terminal.ts';
import { verdictWords } from '../mechanisms-verdict.ts';
import { duration } from '../train-words.ts';
import { builder } from './dom.ts';
import { mechanismPanels, panelsKey } from './mechanism-plot.ts';
import { panelsFigure } from './panels.ts';
import { shell } from './shell.ts';
import { htmlTable } from './tables.ts';

/** The comparison as one self-contained page without any script. */
export async function renderMechanismsHtml(report: MechanismsReport): Promise<string> {
  const build = builder();
  const { element, document } = build;
  const title = 'Attention mechanisms side by side';
  const columns = mechanismColumns(report.toys.map(({ name }) => name));
  const groups = mechanismGroups(report);
  const key = panelsKey(report);
  const plot = (shown: typeof groups, name: string) => {
    const panels = mechanismPanels(build, shown, report.mechanisms);
    return panels ? [panelsFigure(build, panels, name, [key])] : [];
  };
  document.body.append(
    element('h1', {}, title),
    element('p', { class: 'soft' }, `${whatWasRun(report)} ${duration(report.provenance.seconds)} of training.`),
    ...(groups.length > 1 ? plot(groups, 'Every variant') : []),
  );
  for (const group of groups) {
    const { title: name, idea, equation, source, rows } = group;
    const shown = columnsOf(columns, rows);
    document.body.append(
      element('h2', {}, name),
      element('p', {}, `${idea} `, element('code', {}, equation), ` (${source})`),
      ...plot([group], name),
      element('p', {}, verdictWords(rows)),
      htmlTable(
        build,
        name,
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
