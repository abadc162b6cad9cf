import type { MeasuredMap, ScanResult } from '../../measure/result.ts';
import { escapeText } from '../escape.ts';
import { mean, number, percent } from '../format.ts';
import { type Line, linesOf, measuredCurves, measuredMaps, orNaN } from '../measured.ts';
import { type Paint, spark } from './paint.ts';
import { padEnd, wrap } from './text.ts';

/** Every measurement that declares curves or a map, one line a curve: layers from left to right, and the range. A map is shown by the means of its layers. */
export function measuredLines(result: ScanResult, it: Paint): string[] {
  return [
    ...measuredCurves(result).flatMap((one) => picture(one.title, one.quantity, linesOf(one), one.log, false, it)),
    ...measuredMaps(result).flatMap((one) => picture(one.title, one.quantity, layerMeans(one), false, one.share, it)),
  ];
}

function layerMeans({ values, baseline }: MeasuredMap): Line[] {
  const measured = { label: 'mean over heads', values: values.map((row) => (row === null ? Number.NaN : mean(row))) };
  return typeof baseline === 'string'
    ? [measured]
    : [measured, { label: 'uniform attention', values: orNaN(baseline) }];
}

function picture(title: string, quantity: string, lines: readonly Line[], log: boolean, share: boolean, it: Paint) {
  const shown = lines.flatMap(({ values }) => values.filter((value) => Number.isFinite(value) && (!log || value > 0)));
  const least = Math.min(...shown);
  const most = Math.max(...shown);
  const write = (value: number) => (share ? percent(value) : number(value));
  const names = lines.map(({ label }) => `  ${escapeText(label)}`);
  const side = Math.max(...names.map((name) => name.length));
  const ranges = lines.map(({ values }) => {
    const finite = values.filter(Number.isFinite);
    const [low, high] = [write(Math.min(...finite)), write(Math.max(...finite))];
    return finite.length === 0 ? 'none' : low === high ? low : `${low} to ${high}`;
  });
  const room = it.width - side - 4 - Math.max(...ranges.map(({ length }) => length));
  return [
    ...wrap(`${escapeText(title)} (${escapeText(quantity)}${log ? ', logarithmic' : ''})`, it.width),
    ...lines.map(
      ({ values }, i) =>
        `${it.style.dim(padEnd(names[i]!, side))}  ${spark(values, least, most, log, Math.max(8, room))}  ${ranges[i]}`,
    ),
  ];
}
