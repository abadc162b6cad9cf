import type { HeadMap, ScanResult } from '../../measure/result.ts';
import { comparedFigures, differenceMap, unlike } from '../difference.ts';
import { escapeText } from '../escape.ts';
import { mean, number, percent } from '../format.ts';
import { layerMarks } from '../marks.ts';
import { withoutRow0 } from '../words.ts';
import { cellSize, mapLegend, mapRows } from './map.ts';
import { type Paint, paint, type TerminalOptions } from './paint.ts';
import { sinkTable, titled } from './tables.ts';
import { columns, padEnd, padStart, wrap } from './text.ts';

/** Two scans side by side as text: figures, maps on one scale, their difference, sink tokens. Escaped and pure as `renderScan`. */
export function renderCompare(a: ScanResult, b: ScanResult, options: TerminalOptions = {}): string {
  const it = paint(options);
  const { bold, dim } = it.style;
  const name = (letter: string, { model }: ScanResult) =>
    wrap(
      `${escapeText(model.source)} · ${model.layers} layers × ${model.heads} heads`,
      it.width,
      '   ',
      `${bold(letter)}  `,
    );
  const difference = differenceMap(a.received, b.received);
  const lines = [
    ...name('A', a),
    ...name('B', b),
    ...unlike(a, b).flatMap((sentence) => wrap(escapeText(sentence), it.width, '  ', '! ').map(it.style.yellow)),
    '',
    ...figures(a, b, it),
    '',
    bold('Sink maps'),
    ...wrap(`Mean attention to key 0${withoutRow0(a) && withoutRow0(b)}; both on the same scale.`, it.width).map(dim),
    '',
    ...sideBySide(a, b, it),
    ...(difference === null ? [] : ['', bold('Difference, B − A'), '', ...differenceLines(difference, it)]),
    '',
    bold('Sink tokens of A'),
    '',
    ...sinkTable(a, it),
    '',
    bold('Sink tokens of B'),
    '',
    ...sinkTable(b, it),
  ];
  return `${lines.join('\n').replaceAll('\u00a0', ' ')}\n`;
}

function figures(a: ScanResult, b: ScanResult, it: Paint): string[] {
  const show = (value: number | null, unit: 'share' | 'number') =>
    value === null ? '–' : unit === 'share' ? percent(value) : number(value);
  return titled(
    [
      { title: '', least: 12 },
      { title: 'A', align: 'right' },
      { title: 'B', align: 'right' },
      { title: 'B − A', align: 'right' },
    ],
    comparedFigures(a, b).map((figure) => [
      figure.name,
      show(figure.a, figure.unit),
      show(figure.b, figure.unit),
      show(figure.a === null || figure.b === null ? null : figure.b - figure.a, figure.unit),
    ]),
    it,
  );
}

/** Side by side where every head keeps a cell of its own, one above the other where not; the legend once. */
function sideBySide(a: ScanResult, b: ScanResult, it: Paint): string[] {
  const half = { ...it, width: Math.floor((it.width - 4) / 2) };
  const fit = [a, b].every(({ model }) => half.width >= 36 && cellSize(model.heads, half.width, it.color).group === 1);
  const at = fit ? half : it;
  const map = (result: ScanResult, letter: string) => [
    it.style.bold(letter),
    ...mapRows(result.received, at, layerMarks(result)),
  ];
  const left = map(a, 'A');
  const right = map(b, 'B');
  const legend = mapLegend([...a.received, ...b.received], at, [...layerMarks(a), ...layerMarks(b)]);
  if (!fit) return [...left, '', ...right, '', ...legend];
  const edge = Math.max(...left.map(columns));
  const rows = Array.from({ length: Math.max(left.length, right.length) }, (_, i) =>
    right[i] ? `${padEnd(left[i] ?? '', edge)}    ${right[i]}` : (left[i] ?? ''),
  );
  return [...rows, '', ...legend];
}

const steps = [
  { from: 0.2, more: '#', less: '=' },
  { from: 0.05, more: '+', less: '-' },
] as const;
const warm = [223, 215, 208, 166] as const;
const cold = [189, 147, 99, 55] as const;

function differenceLines(map: HeadMap, it: Paint): string[] {
  const heads = map.find((values) => values !== null)?.length ?? 0;
  const { cell, group } = cellSize(heads, it.width, it.color);
  const one = (value: number) => {
    const size = Math.abs(value);
    if (!it.color) {
      const step = steps.find(({ from }) => size >= from);
      return (step === undefined ? '·' : value > 0 ? step.more : step.less).repeat(cell);
    }
    const text =
      cell >= 3
        ? (size < 0.005 ? '0' : String(Math.round(value * 100))).padStart(cell - 1).padEnd(cell)
        : ' '.repeat(cell);
    if (size < 0.05) return it.style.dim(text);
    const level = Math.min(3, Math.floor(size / 0.2));
    return `\u001b[${level >= 2 && value < 0 ? 97 : 30};48;5;${(value > 0 ? warm : cold)[level]}m${text}\u001b[0m`;
  };
  const signed = (value: number) => {
    const points = Math.round(value * 100);
    return `${points > 0 ? '+' : points < 0 ? '−' : ''}${Math.abs(points)} %`;
  };
  const size = Math.ceil(heads / group) * cell;
  const rows = map.map((values, l) => {
    if (values === null)
      return `${it.style.dim(`${padStart(String(l), 5)} ${'·'.repeat(size)}`)}  ${padStart('n/a', 6)}`;
    const cells = Array.from({ length: Math.ceil(values.length / group) }, (_, i) =>
      one(mean(values.slice(i * group, (i + 1) * group))),
    );
    return `${it.style.dim(padStart(String(l), 5))} ${cells.join('')}  ${padStart(signed(mean(values)), 6)}`;
  });
  const legend = it.color
    ? 'orange: more in B; purple: more in A; in percentage points, plain under 5'
    : '· within 5 points   + more in B   # by 20 and more   - more in A   = by 20 and more';
  const gaps = map.includes(null) ? ['n/a: no attention pattern in this layer of A or of B'] : [];
  return [...rows, '', ...[legend, ...gaps].flatMap((line) => wrap(line, it.width)).map(it.style.dim)];
}
