import type { EmergenceRow } from './emergence.schema.ts';
import { escapeText } from './escape.ts';
import { number, percent } from './format.ts';
import { overSeeds, spread } from './over-seeds.ts';

type Look = EmergenceRow['runs'][number]['looks'][number];

interface Column {
  readonly title: string;
  /** Words and not numbers. */
  readonly text?: true;
  /** Shown even where it is 0 in every row. */
  readonly always?: true;
  cell(row: EmergenceRow): string;
}

const share = (value: number) => percent(value, 0);
const figure = (title: string, of: (look: Look) => number | null, format: (value: number) => string): Column => ({
  title,
  cell: ({ runs }) => spread(overSeeds(runs.map(({ looks }) => of(looks.at(-1)!))), format),
});

const columns: readonly Column[] = [
  { title: 'setting', text: true, cell: ({ label }) => escapeText(label) },
  { ...figure('sink on 1st', ({ sinkRate }) => sinkRate[0]!, share), always: true },
  figure('2nd', ({ sinkRate }) => sinkRate[1] ?? 0, share),
  figure('3rd–5th', ({ sinkRate }) => Math.max(0, ...sinkRate.slice(2)), share),
  figure('null column', ({ nullRate }) => nullRate, share),
  figure(
    'α of 1st',
    ({ alpha }) => alpha,
    (value) => number(value, 2),
  ),
  figure(
    'Σ|w|',
    ({ mass }) => mass,
    (value) => number(value, 2),
  ),
  figure(
    'largest × mean',
    ({ largestRatio }) => largestRatio,
    (value) => number(value, 3),
  ),
  figure(
    'loss',
    ({ loss }) => loss,
    (value) => value.toFixed(3),
  ),
  { title: 'published', text: true, cell: published },
];

/** A factor's table without the columns that say nothing about it: means over seeds with the deviation between them. */
export function emergenceTable(rows: readonly EmergenceRow[]): {
  readonly columns: readonly { readonly title: string; readonly text: boolean }[];
  readonly cells: readonly (readonly string[])[];
} {
  const said = columns
    .map(({ title, text = false, always, cell }) => ({ title, text, always, cells: rows.map(cell) }))
    .filter(({ always, cells }) => always || cells.some((cell) => cell !== '' && cell !== 'n/a' && cell !== nothing));
  return {
    columns: said.map(({ title, text }) => ({ title, text })),
    cells: rows.map((_, i) => said.map(({ cells }) => cells[i]!)),
  };
}

const nothing = share(0);

function published({ published: figures }: EmergenceRow): string {
  if (figures === null) return '';
  const names: Record<string, string> = { sink: '1st', second: '2nd', third: '3rd', null: 'null', loss: 'loss' };
  return Object.entries(figures)
    .map(([name, value]) => `${escapeText(names[name] ?? name)} ${value}${name === 'loss' ? '' : '\u00a0%'}`)
    .join(', ');
}
