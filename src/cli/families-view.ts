import type { FamilyStatus } from '../models/family-status.ts';
import { arxivLink, markdownTable, markdownText } from '../report/markdown.ts';
import type { Paint } from '../report/terminal/paint.ts';
import { table, wrap } from '../report/terminal/text.ts';

const figure = ({ parity }: FamilyStatus) => (parity === undefined ? 'n/a' : parity.toExponential(1));
const counted = (families: readonly FamilyStatus[]) =>
  (['supported', 'partly', 'refused'] as const)
    .map((state) => `${families.filter((one) => one.state === state).length} ${state}`)
    .join(', ');
const meaning =
  'Parity is the largest |a − b| / max(1, |b|) over hidden states, attention patterns, sinks and logits that the reference implementation computed, in both lowerings; n/a: there was nothing to compare with.';

/** The status table, as text for a terminal. */
export function renderFamilies(families: readonly FamilyStatus[], it: Paint): string {
  const rows = families.map((one) => [
    one.name,
    one.title,
    one.state,
    figure(one),
    one.reads.join(', '),
    one.gguf.join(', '),
  ]);
  const notes = families.flatMap(({ name, notes }) => notes.map((note) => [name, note] as const));
  return [
    ...table(
      [
        { title: 'family' },
        { title: 'models', least: 16 },
        { title: 'status' },
        { title: 'parity', align: 'right' },
        { title: 'reads', least: 8, drop: 1 },
        { title: 'GGUF', least: 6, drop: 2 },
      ],
      rows,
      it.width,
    ),
    '',
    ...wrap(`${counted(families)}. ${meaning}`, it.width),
    ...(notes.length === 0 ? [] : ['', it.style.bold('Notes')]),
    ...notes.flatMap(([name, note]) => wrap(note, it.width, '  ', `${name}: `)),
    '',
  ].join('\n');
}

const withoutSinks = (families: readonly FamilyStatus[]) =>
  families.filter(({ sinks, state }) => sinks === undefined && state !== 'refused').map(({ name }) => name);

/** What each family does about sinks, as text for a terminal. */
export function renderSinks(families: readonly FamilyStatus[], it: Paint): string {
  const rest = withoutSinks(families);
  const having = families.flatMap(({ title, name, sinks }) => (sinks ? [{ title, name, ...sinks }] : []));
  return [
    ...table(
      [{ title: 'family' }, { title: 'kind' }, { title: 'stored as', least: 20 }],
      having.map(({ name, kind, stored }) => [name, kind, stored]),
      it.width,
    ),
    '',
    ...having.flatMap(({ title, about }) => wrap(about, it.width, '  ', `${it.style.bold(title)}: `)),
    '',
    ...(rest.length === 0
      ? []
      : wrap(`Nothing of the kind, so a head with nothing to say needs a sink: ${rest.join(', ')}.`, it.width)),
    '',
  ].join('\n');
}

/** Both tables as a Markdown page. */
export function familiesMarkdown(families: readonly FamilyStatus[]): string {
  const text = markdownText;
  const status = markdownTable(
    [
      { title: 'family' },
      { title: 'models' },
      { title: 'status' },
      { title: 'parity', right: true },
      { title: 'reads' },
      { title: 'GGUF' },
      { title: 'what sets it apart; what is missing' },
    ],
    families.map((one) => [
      `\`${one.name}\``,
      `${text(one.title)}${one.source === undefined ? '' : ` (${arxivLink(one.source)})`}`,
      one.state,
      figure(one),
      one.reads.join(', '),
      one.gguf.map((name) => `\`${name}\``).join(', '),
      [one.about, ...one.notes]
        .filter((sentence) => sentence !== '')
        .map(text)
        .join(' '),
    ]),
  );
  const sinks = markdownTable(
    [{ title: 'family' }, { title: 'kind' }, { title: 'stored as' }, { title: 'what it does' }],
    families.flatMap(({ title, sinks }) =>
      sinks ? [[text(title), sinks.kind, `\`${sinks.stored}\``, text(sinks.about)]] : [],
    ),
  );
  return [
    '# Families',
    '',
    `What \`sinklab families\` says: ${counted(families)}. ${meaning}`,
    '',
    status,
    '',
    '## What takes the place of a sink',
    '',
    `The others have nothing of the kind: a head with nothing to say needs a sink there. Those are ${withoutSinks(
      families,
    )
      .map((name) => `\`${name}\``)
      .join(', ')}.`,
    '',
    sinks,
    '',
    '## Again',
    '',
    '`npm run parity` measures parity anew from the reference fixtures, `sinklab families --markdown docs/families.md` writes this page.',
    '',
  ].join('\n');
}
