import { escapeText } from './escape.ts';
import { arxivLink, codeBlock, markdownTable, markdownText } from './markdown.ts';
import type { MechanismGroup } from './mechanism-groups.ts';
import type { MechanismRow, MechanismsReport } from './mechanisms.schema.ts';
import { columnsOf, mechanismColumns } from './mechanisms-figures.ts';
import { whatWasRun } from './mechanisms-terminal.ts';
import { verdictWords } from './mechanisms-verdict.ts';

/** The first line of every page. */
export const generated = '<!-- Written by `sinklab mechanisms --pages`: changes by hand are lost. -->';

/** The page of one mechanism in Markdown; `picture` tells whether its SVG lies beside it. */
export function mechanismPage(report: MechanismsReport, group: MechanismGroup, picture: boolean): string {
  const { title, idea, equation, example, citations, card, page, rows } = group;
  const columns = columnsOf(mechanismColumns(report.toys.map(({ name }) => name)), rows);
  const call = /^[A-Za-z]\w*(?=\()/.exec(example)?.[0];
  return `${[
    generated,
    `# ${markdownText(title)}`,
    markdownText(idea),
    codeBlock('text', equation),
    codeBlock('ts', [...(call ? [`import { ${call} } from 'sinklab/attention';`, ''] : []), example].join('\n')),
    '## What its variants do',
    ...(picture ? [`![${markdownText(title)}: a dot for each seed of each variant](${page}.svg)`] : []),
    markdownText(verdictWords(rows)),
    variantTable(columns, rows),
    markdownText(whatWasRun(report)),
    'What the columns mean and when a sink counts as gone: [overview](README.md).',
    '## Again',
    codeBlock('sh', repeatCommand(report, [card])),
    '## From',
    citations.map((one) => `- ${citationText(one)}`).join('\n'),
  ].join('\n\n')}\n`;
}

/** A row for each variant, in some columns. */
export const variantTable = (columns: ReturnType<typeof mechanismColumns>, rows: readonly MechanismRow[]): string =>
  markdownTable(
    columns.map(({ title, text }) => ({ title: markdownText(title), right: !text })),
    rows.map((row) => columns.map(({ cell }) => markdownText(cell(row)))),
  );

function citationText({ authors, title, year, arxiv }: MechanismRow['citations'][number]): string {
  const safe = (text: string) => markdownText(escapeText(text));
  return `${safe(authors)}: *${safe(title)}*, ${year}${arxiv === undefined ? '' : `, ${arxivLink(escapeText(arxiv))}`}`;
}

/** The command that runs what a report has of some cards, or of all where none is named. */
export function repeatCommand(
  { toys, seeds, share }: MechanismsReport,
  cards: readonly string[],
  more: readonly string[] = [],
): string {
  const names = toys.map(({ name }) => escapeText(name));
  return [
    ...['sinklab mechanisms', ...cards.map(escapeText)],
    ...(names.length === 1 && names[0] === 'bigram-backcopy' ? [] : [`--toy ${names.join(' ')}`]),
    `--seeds ${seeds.length}`,
    ...(share === 1 ? [] : [`--share ${share}`]),
    ...more,
  ].join(' ');
}
