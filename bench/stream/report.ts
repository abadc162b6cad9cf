import { cpus } from 'node:os';
import { median, megabytes, table } from '../common.ts';
import type { Side } from '../side.ts';

/** One timed run. */
export interface Line {
  readonly side: string;
  readonly measure: string;
  readonly tokens: number;
  readonly turn: number;
  readonly seconds: number;
  readonly peakBytes: number;
  readonly residentBytes: number;
}
interface Run {
  readonly sides: readonly Side[];
  readonly lines: readonly Line[];
  /** Tokens of the prompts. */
  readonly lengths: readonly number[];
  readonly threads: number;
  readonly repeat: number;
}

/** Medians and bests of all sides, and by how many times ours is better. */
export function report({ sides, lines, lengths, threads, repeat }: Run): string {
  const of = (side: Side, measure: string, tokens: number) =>
    lines.filter((line) => line.side === side.name && line.measure === measure && line.tokens === tokens);
  const own = (side: Side) => lines.filter((line) => line.side === side.name);
  type Row = readonly [name: string, of: (side: Side) => number, better: 'more' | 'less', aim?: number];
  const show = (value: number, better: 'more' | 'less', bytes: boolean) =>
    bytes ? megabytes(value) : value.toFixed(better === 'more' ? 0 : 2);
  const time = (measure: string, tokens: number, pick: (all: readonly number[]) => number) => (side: Side) =>
    pick(of(side, measure, tokens).map(({ seconds }) => seconds));
  const least = (all: readonly number[]) => Math.min(...all);
  const rows: Row[] = [
    ...lengths.flatMap((T): Row[] => [
      [`prefill ${T}, tokens/s`, (side) => T / time('prefill', T, median)(side), 'more', 2],
      ['  best', (side) => T / time('prefill', T, least)(side), 'more'],
    ]),
    ...lengths.flatMap((T): Row[] => [
      [`decode at ${T}, ms a token`, (side) => 1000 * time('decode', T, median)(side), 'less', 1],
      ['  least', (side) => 1000 * time('decode', T, least)(side), 'less'],
    ]),
    ['memory, peak', (side) => Math.max(...own(side).map(({ peakBytes }) => peakBytes)), 'less', 1],
    ['memory, after', (side) => own(side).at(-1)!.residentBytes, 'less', 1],
    ['load, s', time('load', 0, median), 'less'],
    [`  then first token after ${lengths[0]}, s`, time('first', lengths[0]!, median), 'less'],
    [
      '  both',
      (side) => {
        const first = of(side, 'first', lengths[0]!);
        return median(of(side, 'load', 0).map(({ seconds }, i) => seconds + first[i]!.seconds));
      },
      'less',
    ],
  ];
  const [ours, ...others] = sides;
  const head = ['', ours!.name, ...others.flatMap(({ name }) => [name, 'ours better by']), 'aim', ''];
  const compared = others.findIndex(({ name }) => name === 'node-llama-cpp');
  const cells = rows.map(([name, value, better, aim]) => {
    const gains = others.map((side) => (better === 'more' ? value(ours!) / value(side) : value(side) / value(ours!)));
    const bytes = name.startsWith('memory');
    const gain = gains[compared];
    const judged =
      aim === undefined || gain === undefined ? ['', ''] : [aim.toFixed(2), gain >= aim ? 'holds' : 'fails'];
    const theirs = others.flatMap((side, i) => [show(value(side), better, bytes), gains[i]!.toFixed(2)]);
    return [name, show(value(ours!), better, bytes), ...theirs, ...judged];
  });
  const versions = sides.map(({ name, ready }) => `${name} (${ready!.version})`).join(', ');
  return `${versions}\n${cpus()[0]?.model}, ${threads} threads, median of ${repeat} turns\n\n${table([head, ...cells])}`;
}
