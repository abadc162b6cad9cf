import type { ScanResult } from '../../measure/result.ts';
import { visibleToken } from '../escape.ts';
import { largest, percent } from '../format.ts';
import { gridOf } from '../grid.ts';
import { heat, type Paint } from './paint.ts';
import { wrap } from './text.ts';

/**
 * The patches where they stand in their picture, coloured by the square root of the share received; a sink is its rank, a token of high norm
 * an asterisk. Nothing where a row does not fit.
 */
export function patchGrid(result: ScanResult, received: readonly number[], it: Paint): string[] {
  const grid = gridOf(result);
  if (grid === null || grid.columns * 2 > it.width) return [];
  const ranks = new Map(result.page.sinks.slice(0, 9).map(({ position }, i) => [position, String(i + 1)]));
  const high = new Set(result.page.highNorm?.map(({ position }) => position));
  const most = largest(result.input.page.map(({ position, patch }) => (patch ? received[position]! : 0)));
  // Among many patches none may receive much.
  const end = most > 0 && most < 0.1 ? most : 1;
  const cells = Array.from({ length: grid.rows }, () => Array<string>(grid.columns).fill('  '));
  for (const { position, patch } of result.input.page) {
    if (!patch) continue;
    const mark = ranks.get(position) ?? (high.has(position) ? '*' : undefined);
    const shade = heat(Math.sqrt(received[position]! / end), mark ? 1 : 2, it);
    cells[patch.row]![patch.column] = mark ? shade + it.style.bold(mark) : shade;
  }
  // Class token and registers stand beside the picture.
  const beside = result.input.page
    .filter(({ patch }) => !patch)
    .map(({ position, text }) => `${visibleToken(text)}${ranks.get(position) ?? ''} ${percent(received[position]!)}`);
  const marks = [ranks.size > 0 ? 'a digit: the rank of a sink' : '', high.size > 0 ? '*: high norm' : ''];
  const scale = end < 1 ? `, up to the largest of a patch, ${percent(end)}` : '';
  const legend = [`shade: square root of the share${scale}`, ...marks.filter(Boolean)].join('; ');
  return [
    ...(beside.length > 0 && beside.length <= 16 ? wrap(beside.join('   '), it.width) : []),
    ...cells.map((row) => row.join('').trimEnd()),
    ...wrap(legend, it.width).map(it.style.dim),
  ];
}
