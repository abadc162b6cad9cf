import { escapeText } from '../escape.ts';
import type { PoliciesReport } from '../policies.schema.ts';
import { lineStyle } from '../policies-curves.ts';
import { depthTitle, needleTable, policyColumns } from '../policies-figures.ts';
import { comparisonWords, needleSentences, policySentences, provenanceFacts, timeWords } from '../policies-words.ts';
import { type Builder, builder } from './dom.ts';
import { panelsFigure } from './panels.ts';
import { keptPanel, policyPanels } from './policy-plot.ts';
import { shell } from './shell.ts';
import { htmlTable } from './tables.ts';

/** The comparison as one self-contained page without any script: plot, table, facts found again, what was kept and evicted, provenance. */
export async function renderPoliciesHtml(report: PoliciesReport): Promise<string> {
  const build = builder();
  const { element, document } = build;
  const title = 'Cache policies over the same text';
  const { policies, figures } = report;
  const columns = policyColumns(report);
  const list = (sentences: readonly string[]) => sentences.map((sentence) => element('p', {}, sentence));
  document.body.append(
    element('h1', {}, title),
    ...comparisonWords(report).map((words) => element('p', { class: 'soft' }, words)),
    panelsFigure(build, policyPanels(build, report), 'Loss, memory and time against position', keys(build, report)),
    htmlTable(
      build,
      'Policies',
      columns.map((column) => ({
        title: escapeText(column.title),
        ...(column.text ? {} : { class: 'number' as const }),
      })),
      figures.map((row, i) => columns.map(({ cell }) => shown(cell(row, policies[i]!)))),
    ),
    element('h2', {}, 'What was kept'),
    element(
      'p',
      { class: 'soft' },
      `Tokens that each policy holds after ${moments(report)} tokens read (the black mark), one row each; paler where fewer heads hold them. What stands before token 0 was put in front of the text.`,
    ),
    panelsFigure(build, keptPanel(build, report), 'Tokens that are kept', []),
    element('h2', {}, 'What was evicted'),
    ...list(policySentences(report)),
    ...needles(build, report),
    element('h2', {}, 'The policies'),
    htmlTable(
      build,
      'The policies',
      [
        { title: 'policy' },
        { title: 'keeps', class: 'wide' },
        { title: 'decides' },
        { title: 'positions' },
        { title: 'source' },
      ],
      policies.map(({ label, keeps, decides, positions, source }) =>
        [label, keeps, decides, positions, source].map(escapeText),
      ),
    ),
    element('h2', {}, 'Provenance'),
    element(
      'dl',
      {},
      ...provenanceFacts(report).flatMap(([name, fact]) => [element('dt', {}, name), element('dd', {}, fact)]),
    ),
    element('p', { class: 'soft' }, timeWords(report)),
  );
  return shell({ title, body: document.body });
}

/** Escaped but for the no-break spaces of our own numbers. */
const shown = (cell: string) => cell.split('\u00a0').map(escapeText).join('\u00a0');

const moments = ({ policies }: PoliciesReport): string =>
  [...new Set(policies.flatMap(({ kept }) => kept.map(({ at }) => at)))].sort((a, b) => a - b).join(', ');

const keys = ({ element }: Builder, { policies }: PoliciesReport): HTMLElement[] =>
  policies.map(({ label }, i) => {
    const { tone, dash } = lineStyle(i);
    return element('span', { class: `key ${tone}${dash === 'solid' ? '' : ` ${dash}`}` }, escapeText(label));
  });

function needles(build: Builder, report: PoliciesReport): HTMLElement[] {
  const { depths, rows } = needleTable(report);
  if (depths.length === 0) return [];
  const { element } = build;
  return [
    element('h2', {}, 'Facts found again'),
    element(
      'p',
      { class: 'soft' },
      'A five-digit code stands at a depth of the text and is asked for at its end: how often greedy decoding gives it, and the mean log probability of the whole code (a guess of five digits: −11.5).',
    ),
    htmlTable(
      build,
      'Facts found again',
      [{ title: 'policy' }, ...depths.map((depth) => ({ title: `at ${depthTitle(depth)}`, class: 'number' as const }))],
      rows.map((row) => row.map(shown)),
    ),
    ...needleSentences(report).map((sentence) => element('p', {}, sentence)),
  ];
}
