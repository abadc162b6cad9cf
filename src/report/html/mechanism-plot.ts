import * as Plot from '@observablehq/plot';
import { number, percent } from '../format.ts';
import { type MechanismGroup, variantName } from '../mechanism-groups.ts';
import type { MechanismRow, MechanismsReport } from '../mechanisms.schema.ts';
import { expectedRange } from '../mechanisms-verdict.ts';
import { overSeeds } from '../over-seeds.ts';
import type { Builder } from './dom.ts';
import type { Panels } from './panels.ts';
import { tidy } from './plots.ts';

/** What a panel of the plot shows of every run. */
interface Quantity {
  readonly toy: string;
  readonly figure: string;
  readonly title: string;
  readonly tone: 'sink' | 'others';
  /** From 0 to 100 %. */
  readonly share?: true;
  /** It is this of which something is expected. */
  readonly sink?: true;
}

const quantities: readonly Quantity[] = [
  {
    ...{ toy: 'bigram-backcopy', figure: 'firstElsewhere', title: 'attention on BOS, nothing to copy' },
    ...{ tone: 'sink', share: true, sink: true },
  },
  { toy: 'bigram-backcopy', figure: 'triggerLoss', title: 'loss at triggers, nats', tone: 'others' },
  { toy: 'trigger-averaging', figure: 'loss', title: 'averaging, MSE', tone: 'others' },
  { toy: 'associative-recall', figure: 'accuracy', title: 'recall', tone: 'others', share: true },
];

/** One line of the plot: a variant, or the title of those below it. */
interface Line {
  readonly y: string;
  readonly label: string;
  readonly row?: MechanismRow;
}

/** A run that diverged has no dot. */
const valuesOf = ({ runs }: MechanismRow, { toy, figure }: Quantity): (number | undefined)[] =>
  (runs[toy] ?? []).map(({ values }) => (Number.isNaN(values[figure]) ? undefined : values[figure]));

/**
 * The variants of some mechanisms below each other: a dot for each seed, softmax as a dashed line where it is among all, and behind the dots
 * where attention on BOS is expected. Undefined where no run has a figure to show.
 */
export function mechanismPanels(
  build: Builder,
  groups: readonly MechanismGroup[],
  all: MechanismsReport['mechanisms'],
): Panels | undefined {
  const titled = groups.length > 1;
  const lines = groups.flatMap(({ title, rows }, g): Line[] => [
    ...(titled ? [{ y: `${g}`, label: title }] : []),
    ...rows.map((row, r) => ({ y: `${g}.${r}`, label: variantName(row), row })),
  ]);
  const rows = lines.flatMap(({ row }) => row ?? []);
  const shown = quantities.filter((quantity) =>
    rows.some((row) => valuesOf(row, quantity).some((value) => value !== undefined)),
  );
  if (shown.length === 0) return undefined;
  const softmax = all.find(({ name }) => name === 'softmax');
  const [step, top, bottom, between, right] = [titled ? 16 : 22, 48, titled ? 24 : 8, 28, 16];
  const margin = 24 + 6 * Math.max(...lines.map(({ label }) => [...label].length), 12);
  const each = Math.max(200, Math.floor((960 - margin) / shown.length) - right - between);
  const height = top + bottom + step * lines.length;
  let x = 0;
  const pictures = shown.map((quantity, i) => {
    const left = i === 0 ? margin : between;
    const width = left + each + right;
    const place = { x, y: 0 };
    x += width;
    return {
      ...place,
      picture: tidy(
        Plot.plot({
          ...{ width, height, marginLeft: left, marginRight: right, marginTop: top, marginBottom: bottom },
          document: build.document,
          className: 'panel',
          x: { ...horizontal(quantity, [...rows, ...(softmax ? [softmax] : [])]), axis: titled ? 'both' : 'top' },
          y: { type: 'band', domain: lines.map(({ y }) => y), axis: null, padding: 0.25 },
          marks: [
            ...backdrop(quantity, lines, softmax),
            ...dots(quantity, lines),
            ...(i > 0 ? [] : labels(lines, left)),
          ],
        }),
      ),
    };
  });
  return { width: x, height, pictures };
}

function horizontal(quantity: Quantity, rows: readonly MechanismRow[]): Plot.ScaleOptions {
  const most = Math.max(...rows.flatMap((row) => valuesOf(row, quantity).flatMap((value) => value ?? [])));
  return {
    label: null,
    grid: true,
    ticks: 5,
    ...(quantity.share
      ? { domain: [0, 1], tickFormat: (value: number) => percent(value, 0) }
      : { domain: [0, most > 0 ? most : 1], nice: true, tickFormat: (value: number) => number(value) }),
  };
}

/** Where attention on BOS is expected, and the mean of softmax. */
function backdrop(quantity: Quantity, lines: readonly Line[], softmax: MechanismRow | undefined): Plot.Markish[] {
  const zones = quantity.sink
    ? lines.flatMap(({ y, row }) => {
        const range = row && expectedRange(row.expected);
        return range && valuesOf(row, quantity).some((value) => value !== undefined)
          ? [{ y, x1: range[0], x2: range[1] }]
          : [];
      })
    : [];
  const mean = softmax && overSeeds(valuesOf(softmax, quantity))?.mean;
  return [
    Plot.text([quantity.title], { frameAnchor: 'top-left', dy: -42, fill: 'currentColor', fontWeight: 600 }),
    Plot.barX(zones, { y: 'y', x1: 'x1', x2: 'x2', fill: 'currentColor', fillOpacity: 0.13 }),
    ...(mean === undefined
      ? []
      : [Plot.ruleX([mean], { stroke: 'currentColor', strokeOpacity: 0.6, strokeDasharray: '5 3' })]),
  ];
}

function dots(quantity: Quantity, lines: readonly Line[]): Plot.Markish[] {
  const points = lines.flatMap(({ y, row }) =>
    row ? valuesOf(row, quantity).flatMap((x) => (x === undefined ? [] : [{ x, y }])) : [],
  );
  const without = lines.filter(({ row, y }) => row && !points.some((point) => point.y === y));
  return [
    Plot.dot(points, { x: 'x', y: 'y', r: 3.5, fill: `var(--${quantity.tone})`, fillOpacity: 0.75 }),
    Plot.text(without, {
      ...{ y: 'y', frameAnchor: 'left', dx: 4, fill: 'var(--soft)' },
      text: ({ row }: Line) => (quantity.sink && row!.rows === 'none' ? 'no pattern' : 'not measured'),
    }),
  ];
}

function labels(lines: readonly Line[], left: number): Plot.Markish[] {
  const text = { y: 'y', text: 'label', frameAnchor: 'left', fill: 'currentColor' } as const;
  return [
    Plot.text(
      lines.filter(({ row }) => row),
      { ...text, textAnchor: 'end', dx: -10 },
    ),
    Plot.text(
      lines.filter(({ row }) => !row),
      { ...text, textAnchor: 'start', dx: 8 - left, fontWeight: 600 },
    ),
  ];
}

/** What the marks of the panels mean. */
export const panelsKey = (report: MechanismsReport): string =>
  [
    `● ${report.seeds.length === 1 ? 'the seed' : 'one seed each'}`,
    '▒ where attention on BOS is expected',
    ...(report.mechanisms.some(({ name }) => name === 'softmax') ? ['╌╌ softmax, mean'] : []),
  ].join('    ');
