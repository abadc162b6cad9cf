import type { ClaimsReport } from '../claims.schema.ts';
import { figureRows } from '../claims-terminal.ts';
import { escapeText } from '../escape.ts';
import { duration } from '../train-words.ts';
import { builder } from './dom.ts';
import { shell } from './shell.ts';
import { htmlTable } from './tables.ts';

/** The judgements as one self-contained page without any script. */
export async function renderClaimsHtml(report: ClaimsReport): Promise<string> {
  const build = builder();
  const { element, document } = build;
  const title = 'What the papers say, and what was found';
  document.body.append(
    element('h1', {}, title),
    element(
      'p',
      { class: 'soft' },
      `Each statement is an experiment with a verdict that was fixed before it ran; ${report.seeds.length === 1 ? 'one seed' : `${report.seeds.length} seeds, ± between them`}, size ${report.size}. “Not shown at this scale” is an answer like any other.`,
    ),
    htmlTable(
      build,
      'Verdicts',
      [{ title: 'mechanism' }, { title: 'statement', class: 'wide' }, { title: 'verdict' }],
      report.statements.map(({ title: of, says, verdict }) => [escapeText(of), escapeText(says), verdict]),
    ),
  );
  for (const statement of report.statements)
    document.body.append(
      element('h2', {}, `${escapeText(statement.title)}: ${escapeText(statement.name)}, ${statement.verdict}`),
      element('p', {}, `${escapeText(statement.says)} (${escapeText(statement.source)})`),
      htmlTable(
        build,
        escapeText(statement.name),
        [{ title: 'figure', class: 'wide' }, { title: 'found', class: 'number' }, { title: 'card' }],
        figureRows(statement),
      ),
      ...(statement.note === null ? [] : [element('p', { class: 'soft' }, escapeText(statement.note))]),
      element(
        'p',
        { class: 'soft' },
        element('code', {}, escapeText(statement.command)),
        ` · ${duration(statement.seconds)} of training`,
      ),
    );
  return shell({ title, body: document.body });
}
