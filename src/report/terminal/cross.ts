import type { ScanResult } from '../../measure/result.ts';
import { visibleToken } from '../escape.ts';
import { mean, percent } from '../format.ts';
import { headMap } from './map.ts';
import { measuredLines } from './measured.ts';
import type { Paint } from './paint.ts';
import { loudness } from './sound.ts';
import { overview } from './strip.ts';
import { wrap } from './text.ts';

/** Attention of the page to what an encoder gave: the map of the key that receives most, and all keys in one line; nothing where there is none. */
export function crossLines(result: ScanResult, it: Paint): string[] {
  const { page, input } = result;
  const { cross } = page;
  if (cross === undefined) return [];
  const rows = cross.received.filter((row) => row !== null);
  const received = cross.keys.map((_, s) => mean(rows.map((row) => row[s]!)));
  const top = cross.keys[cross.top]!;
  return [
    ...wrap(
      `${input.page.length} queries of the page, ${cross.keys.length} keys. Key ${cross.top} ${visibleToken(top.text)} receives most, ${percent(received[cross.top]!)} on the mean; uniform attention would give ${percent(1 / cross.keys.length)}.`,
      it.width,
    ).map(it.style.dim),
    '',
    ...headMap(cross.topKey, it, [], 'no attention to the memory in this layer'),
    '',
    ...overview(received, cross.sinks, it, true),
    ...loudness(result, cross.keys.length, it),
    '',
    ...measuredLines({ ...result, page: { ...page, measured: cross.measured } }, it),
  ];
}
