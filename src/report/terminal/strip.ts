import type { ScanResult } from '../../measure/result.ts';
import { visibleToken } from '../escape.ts';
import { largest, mean, percent } from '../format.ts';
import { bar, barLegend, heat, type Paint } from './paint.ts';
import { patchGrid } from './patches.ts';
import { loudness } from './sound.ts';
import { columns, cut, wrap } from './text.ts';

/** [S]: attention received by each key of the page, mean over layers that have a pattern. */
export function receivedByToken({ page, input }: ScanResult): number[] {
  const rows = page.received.filter((row) => row !== null);
  return input.page.map((_, s) => mean(rows.map((row) => row[s]!)));
}

/** The whole page in one line of bars with the sinks marked by their rank, then its picture, or the text of its start with a bar under each token. */
export function tokenStrip(result: ScanResult, it: Paint, textLines = 4): string[] {
  const received = receivedByToken(result);
  const scaled = result.input.page.some(({ role }) => role === 'patch' || role === 'frame');
  const grid = patchGrid(result, received, it);
  return [
    ...overview(received, result.page.sinks, it, scaled),
    ...(result.page.cross ? [] : loudness(result, received.length, it)),
    // The frames of a sound have nothing to read.
    ...(result.input.page.some(({ role }) => role === 'frame')
      ? []
      : ['', ...(grid.length > 0 ? grid : startOfText(result, received, it, textLines))]),
  ];
}

/** [S] shares in one line of bars, with the sinks marked by their rank and positions below. Among many keys no share may be large: `scaled` bars then end at the largest. */
export function overview(
  received: readonly number[],
  sinks: readonly { readonly position: number }[],
  it: Paint,
  scaled = false,
): string[] {
  const S = received.length;
  const { dim, bold } = it.style;
  const bin = Math.ceil(S / it.width);
  const bins = Math.ceil(S / bin);
  const most = largest(received);
  const end = scaled && most > 0 && most < 0.1 ? most : 1;
  const bars = Array.from({ length: bins }, (_, i) => bar(largest(received.slice(i * bin, (i + 1) * bin)) / end)).join(
    '',
  );
  const marks = Array<string>(bins).fill(' ');
  sinks
    .slice(0, 9)
    .map((sink, rank) => [Math.floor(sink.position / bin), String(rank + 1)] as const)
    .reverse()
    .forEach(([at, mark]) => {
      marks[at] = mark;
    });
  return [
    bars,
    bold(marks.join('').trimEnd()),
    dim(axis(S, bin, bins)),
    ...(bin > 1 ? wrap(`one column is ${bin} tokens, the largest of them`, it.width).map(dim) : []),
    ...wrap(end < 1 ? `bar: square root of the share, up to the largest, ${percent(end)}` : barLegend, it.width).map(
      dim,
    ),
  ];
}

function axis(S: number, bin: number, bins: number): string {
  let line = '';
  const step =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000].find((s) => s / bin >= 10) ??
    100_000;
  for (let position = 0; position < S; position += step) {
    const label = String(position);
    const at = Math.floor(position / bin);
    if (at < line.length + 1 && line !== '') continue;
    if (at + label.length > bins && line !== '') break;
    line = line.padEnd(at) + label;
  }
  return line;
}

function startOfText(result: ScanResult, received: readonly number[], it: Paint, textLines: number): string[] {
  const lines: string[] = [];
  let text = '';
  let under = '';
  let used = 0;
  let shown = 0;
  const rank = new Map(result.page.sinks.slice(0, 9).map((sink, i) => [sink.position, String(i + 1)]));
  const flush = () => {
    lines.push(text.trimEnd(), under.trimEnd());
    text = '';
    under = '';
    used = 0;
  };
  for (const token of result.input.page) {
    const word = cut(visibleToken(token.text), Math.min(24, it.width));
    const size = columns(word);
    if (used + size > it.width) {
      if (lines.length / 2 + 1 >= textLines) break;
      flush();
    }
    const value = received[token.position]!;
    const mark = rank.get(token.position);
    text += `${mark ? it.style.bold(word) : word} `;
    under += it.color
      ? `${heat(Math.sqrt(value), 1, it).repeat(size - (mark ? 1 : 0))}${mark ? it.style.bold(mark) : ''} `
      : `${bar(value).repeat(size - (mark ? 1 : 0))}${mark ?? ''} `;
    used += size + 1;
    shown++;
  }
  if (used > 0) flush();
  const left = received.length - shown;
  if (left > 0) lines.push(it.style.dim(`… and ${left} more tokens`));
  return lines;
}
