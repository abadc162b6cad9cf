import type { RoundingChange } from '../../measure/result.ts';
import { escapeText } from '../escape.ts';
import { roundingRows, roundingTitles } from '../rounding.ts';
import type { Paint } from './paint.ts';
import { titled } from './tables.ts';

/** What rounding the weights changed. */
export function roundingTable(rounding: RoundingChange, it: Paint): string[] {
  const [, ...titles] = roundingTitles;
  return titled(
    [{ title: '', least: 12 }, ...titles.map((title) => ({ title, align: 'right' as const }))],
    roundingRows(rounding).map(([name, ...cells]) => [escapeText(name!), ...cells]),
    it,
  );
}
