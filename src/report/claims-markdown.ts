import type { ClaimsReport } from './claims.schema.ts';
import { figureRows } from './claims-terminal.ts';
import { escapeText } from './escape.ts';
import { arxivLink, markdownTable, markdownText } from './markdown.ts';
import { duration } from './train-words.ts';

const cell = (text: string) => markdownText(escapeText(text));
const anchor = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');

/** Judgements as one Markdown page: all verdicts, then each statement with its figures beside those of the card. The same report gives the same page. */
export function claimsMarkdown({ statements, seeds, size }: ClaimsReport): string {
  const count = (verdict: string) => statements.filter((one) => one.verdict === verdict).length;
  const heading = (one: ClaimsReport['statements'][number]) => `${escapeText(one.card)}: ${escapeText(one.name)}`;
  const verdicts = ['shown', 'in part', 'not shown at this scale', 'not run'].map((one) => `${count(one)} ${one}`);
  const sections = statements.flatMap((one) => [
    `## ${markdownText(heading(one))}`,
    '',
    `**${one.verdict}** · ${cell(one.says)} (${one.source
      .split(', ')
      .map((id) => arxivLink(escapeText(id)))
      .join(', ')})`,
    '',
    ...(one.figures.length === 0
      ? []
      : [
          markdownTable(
            [{ title: 'figure' }, { title: 'found', right: true }, { title: 'card' }],
            figureRows(one).map((row) => row.map(markdownText)),
          ),
          '',
        ]),
    ...(one.note === null ? [] : [cell(one.note), '']),
    `\`${escapeText(one.command)}\`, ${duration(one.seconds)} of training`,
    '',
  ]);
  return [
    '<!-- Written by `sinklab claims --markdown`: changes by hand are lost. -->',
    '',
    '# What the papers say, and what appears here',
    '',
    `${statements.length} statements of ${new Set(statements.map(({ card }) => card)).size} method cards, size ${size}, ${seeds.length === 1 ? 'one seed' : `${seeds.length} seeds, ± between them`}: ${verdicts.join(', ')}. A verdict is computed by rules that stand in the code beside the experiment; what a card expects of a figure stands beside it.`,
    '',
    markdownTable(
      [{ title: 'card' }, { title: 'statement' }, { title: 'verdict' }],
      statements.map((one) => [cell(one.card), `[${cell(one.name)}](#${anchor(heading(one))})`, one.verdict]),
    ),
    '',
    ...sections,
  ].join('\n');
}
