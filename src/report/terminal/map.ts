import type { HeadMap } from '../../measure/result.ts';
import { mean, percent } from '../format.ts';
import type { LayerMark } from '../marks.ts';
import { noPattern } from '../words.ts';
import { heat, heatLegend, type Paint } from './paint.ts';
import { padEnd, padStart, wrap } from './text.ts';

const side = 7;
const margin = 7;

/** Columns of one cell and heads joined in it, for H heads in `width` columns. */
export function cellSize(H: number, width: number, color: boolean): { cell: number; group: number } {
  const room = Math.max(8, width - side - margin);
  const widest = color ? 4 : 2;
  const cell = Math.min(widest, Math.floor(room / H));
  if (cell >= 1) return { cell, group: 1 };
  return { cell: 1, group: Math.ceil(H / room) };
}

/** A map of shares with its legend below; `none` says why a layer has no values. */
export function headMap(map: HeadMap, it: Paint, marks: readonly LayerMark[][] = [], none = noPattern): string[] {
  return [...mapRows(map, it, marks), '', ...mapLegend(map, it, marks, none)];
}

const headsOf = (map: HeadMap) => map.find((row) => row !== null)?.length ?? 0;

/** Room for the words of `marks` beside a map of H heads; without it their letters stand before the layers. */
function wordsFit(H: number, it: Paint, marks: readonly LayerMark[][]): boolean {
  const { cell, group } = cellSize(H, it.width, it.color);
  const room = it.width - side - Math.ceil(H / group) * cell - margin - 2;
  return marks.every((row) => row.map((mark) => mark.words).join(', ').length <= room);
}

/** Layers downwards and heads across, with the means at the edges over what there is; `marks` stand beside their layer. */
export function mapRows(map: HeadMap, it: Paint, marks: readonly LayerMark[][] = []): string[] {
  const H = headsOf(map);
  const { cell, group } = cellSize(H, it.width, it.color);
  const { dim } = it.style;
  const size = Math.ceil(H / group) * cell;
  const fit = wordsFit(H, it, marks);
  const line = (label: string, values: readonly number[] | null, own: readonly LayerMark[]) => {
    const letters = fit ? '' : own.map((mark) => mark.letter).join('');
    const cells = values
      ? grouped(values, group)
          .map((value) => heat(value, cell, it))
          .join('')
      : dim('·'.repeat(size));
    const average = values ? percent(mean(values), 0) : 'n/a';
    const after = fit && own.length > 0 ? `  ${dim(own.map((mark) => mark.words).join(', '))}` : '';
    return `${dim(letters.padEnd(3) + label.padStart(side - 4))} ${cells}  ${padStart(average, 5)}${after}`;
  };
  const known = map.filter((values) => values !== null);
  const heads = Array.from({ length: H }, (_, h) => mean(known.map((values) => values[h]!)));
  return [
    dim(`layer  ${padEnd(headNumbers(H, group, cell), size)}   mean`),
    ...map.map((values, l) => line(String(l), values, marks[l] ?? [])),
    line('all', heads, []),
  ];
}

export function mapLegend(map: HeadMap, it: Paint, marks: readonly LayerMark[][] = [], none = noPattern): string[] {
  const H = headsOf(map);
  const { group } = cellSize(H, it.width, it.color);
  const used = new Map(marks.flat().map((mark) => [mark.letter, mark.meaning]));
  const below = (text: string) => it.style.dim(' '.repeat(side) + text);
  return [
    ...(it.color ? [' '.repeat(side) + heatLegend(it)] : wrap(heatLegend(it), it.width, ' '.repeat(side))),
    ...(map.includes(null) ? wrap(`· n/a: ${none}`, it.width, ' '.repeat(side)).map(it.style.dim) : []),
    ...(group > 1 ? [below(`one cell is the mean of ${group} heads`)] : []),
    ...(wordsFit(H, it, marks) ? [] : [...used].map(([letter, meaning]) => below(`${letter} ${meaning}`))),
  ];
}

function grouped(values: readonly number[], group: number): number[] {
  if (group === 1) return [...values];
  return Array.from({ length: Math.ceil(values.length / group) }, (_, i) =>
    mean(values.slice(i * group, (i + 1) * group)),
  );
}

/** Head numbers above their cells, as many as fit. */
function headNumbers(H: number, group: number, cell: number): string {
  const digits = String(H - 1).length;
  const step = [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 256, 512].find((s) => s * cell >= digits + 1) ?? 1024;
  let line = '';
  for (let i = 0; i * group < H; i += step) {
    const label = String(i * group);
    const at = i * cell + (step === 1 ? Math.max(0, cell - 1 - label.length) : 0);
    if (at + label.length > Math.ceil(H / group) * cell) break;
    line = padEnd(line, at) + label;
  }
  return line;
}
