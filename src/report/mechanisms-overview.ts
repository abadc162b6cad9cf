import { escapeText } from './escape.ts';
import { arxivLink, codeBlock, markdownTable, markdownText } from './markdown.ts';
import type { MechanismGroup } from './mechanism-groups.ts';
import { generated, repeatCommand } from './mechanism-page.ts';
import type { MechanismsReport } from './mechanisms.schema.ts';
import { columnsOf, mechanismColumns } from './mechanisms-figures.ts';
import { whatWasRun } from './mechanisms-terminal.ts';
import { expectedRange, verdictOf } from './mechanisms-verdict.ts';

/** All mechanisms side by side in Markdown; `cards` are those that were asked for, none for all. */
export function mechanismsOverview(
  report: MechanismsReport,
  groups: readonly MechanismGroup[],
  cards: readonly string[],
  picture: boolean,
): string {
  return `${[
    generated,
    '# Attention mechanisms side by side',
    `The same toys from the same seeds with every mechanism. ${markdownText(whatWasRun(report))}`,
    report.toys
      .map(({ name, about }) => `- **${markdownText(escapeText(name))}**: ${markdownText(escapeText(about))}`)
      .join('\n'),
    ...(report.share < 1 ? ['What is expected is expected of all steps of a toy; fewer were run here.'] : []),
    mechanismTable(groups),
    '## Every variant',
    ...(picture ? ['![Every variant: a dot for each seed](overview.svg)'] : []),
    everyVariant(report, groups),
    '## What the columns mean',
    meaning,
    '## Again',
    'Writes this page, those of the mechanisms and all pictures; the same results give the same files.',
    codeBlock('sh', repeatCommand(report, cards, ['--pages mechanisms'])),
  ].join('\n\n')}\n`;
}

const link = ({ title, page }: MechanismGroup): string => `[${markdownText(title)}](${page}.md)`;

const mechanismTable = (groups: readonly MechanismGroup[]): string =>
  markdownTable(
    [
      ...[{ title: 'mechanism' }, { title: 'from' }, { title: 'variants', right: true }],
      ...[
        { title: 'as expected', right: true },
        { title: 'not so', right: true },
      ],
      ...[
        { title: 'nothing expected', right: true },
        { title: 'nothing to measure it by', right: true },
      ],
    ],
    groups.map((group) => {
      const { shown, notShown, open, unmeasured } = verdictOf(group.rows);
      const counts = [group.rows, shown, notShown, open, unmeasured].map(({ length }) => String(length));
      return [link(group), fromText(group), ...counts];
    }),
  );

function fromText({ citations: [first, ...others] }: MechanismGroup): string {
  const source = first?.arxiv === undefined ? '' : arxivLink(escapeText(first.arxiv));
  return others.length === 0 ? source : `${source} and ${others.length} more`;
}

/** One line for each variant, the mechanism named in its first. */
function everyVariant(report: MechanismsReport, groups: readonly MechanismGroup[]): string {
  const narrow = mechanismColumns(report.toys.map(({ name }) => name)).filter(({ wide }) => !wide);
  const columns = columnsOf(narrow, report.mechanisms);
  return markdownTable(
    [{ title: 'mechanism' }, ...columns.map(({ title, text }) => ({ title: markdownText(title), right: !text }))],
    groups.flatMap((group) =>
      group.rows.map((row, i) => [i === 0 ? link(group) : '', ...columns.map(({ cell }) => markdownText(cell(row)))]),
    ),
  );
}

const percents = (share: number) => `${Math.round(share * 100)} %`;
const [, gone] = expectedRange('gone')!;
const [kept] = expectedRange('keeps')!;
const [, reduced] = expectedRange('reduced')!;

const meaning = [
  `- **on BOS, elsewhere**: attention on BOS where there is nothing to copy. *Card* is what the method card of the paper expects of it, and whether every seed shows it: *no sink* and *moved* at most ${percents(gone)}, *keeps it* at least ${percents(kept)}, *reduced* between ${percents(gone)} and ${percents(reduced)}; *says nothing*: no expectation.`,
  '- **at triggers**: the same where the token before is to be copied.',
  '- **Σ\\|w\\|**, **null column**: what a row gives out in all, and what of it goes to a null column; left out where it is one, and where there is no such column.',
  '- **gate**: mean gate. **‖v_BOS‖ / ‖v‖**: length of the value of BOS beside that of others. **largest × mean**: the largest number of the residual over the mean of all.',
  '- **trigger loss**, **other loss**: nats; a mechanism may be without a sink because it has learnt nothing, so both belong together.',
  '- **parameters**, **MFLOP**, **state per token**: of one layer in this toy; state is what decoding keeps.',
].join('\n');
