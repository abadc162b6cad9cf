import { verdictFrom as judge, type Verdict } from '../claim.ts';
import type { EmergenceResult } from './experiment.ts';

/** Runs of one row, one for each seed. */
export interface Runs {
  readonly label: string;
  readonly runs: readonly EmergenceResult[];
}

/** Mean over seeds of a figure of the last look. */
export function atEnd({ runs }: Runs, figure: (look: EmergenceResult['looks'][number]) => number): number {
  return runs.reduce((total, { looks }) => total + figure(looks.at(-1)!), 0) / runs.length;
}

const sink = (row: Runs, key = 0) => atEnd(row, ({ sinkRate }) => sinkRate[key]!);
const nullSink = (row: Runs) => atEnd(row, ({ nullRate }) => nullRate ?? 0);

/** What counts as a sink of a row, and as none, in these one-head models: fixed before any figure was taken. */
const [clear, none] = [0.5, 0.1];

/** The check of each factor's finding on the means over seeds; rows by label. */
const checks: Readonly<Record<string, (row: (label: string) => Runs) => Verdict>> = {
  steps: (row) =>
    judge(
      row('base').runs.every(({ looks }) => looks[0]!.sinkRate[0]! <= none),
      sink(row('base')) >= clear,
    ),
  'learning-rate': (row) => {
    const rates = ['1e-4', '3e-4', '1e-3'].map((label) => sink(row(label)));
    return judge(
      rates[0]! < rates[2]! - 0.1,
      rates.every((rate, i) => i === 0 || rate >= rates[i - 1]! - 0.02),
    );
  },
  'weight-decay': (row) => judge(sink(row('0.5')) >= sink(row('0')), sink(row('5')) <= none),
  data: (row) => judge(sink(row('32 sequences')) <= none, sink(row('fresh at each step')) >= clear),
  window: (row) => judge(sink(row('4')) <= none, sink(row('none')) >= clear),
  prefix: (row) => {
    const most = Math.max(...[0, 1, 2, 3, 4].map((key) => sink(row('prefix of 5'), key)));
    return judge(most >= clear);
  },
  'first-token': (row) =>
    judge(
      sink(row('fixed first')) >= clear,
      sink(row('fixed second'), 1) >= clear && sink(row('fixed second')) <= none,
      sink(row('fixed third'), 2) >= clear && sink(row('fixed third')) <= none,
      sink(row('random first')) < sink(row('fixed first')),
    ),
  position: (row) =>
    judge(
      ...['none', 'sinusoidal', 'learned', 't5-relative', 'alibi', 'rope'].map((label) => sink(row(label)) >= clear),
    ),
  biases: (row) =>
    judge(
      sink(row('sink token')) >= clear,
      nullSink(row('K bias')) >= clear && sink(row('K bias')) <= none,
      nullSink(row('KV bias')) >= clear && sink(row('KV bias')) <= none,
      Math.abs(sink(row('V bias')) - sink(row('none'))) <= 0.1,
    ),
  operation: (row) =>
    judge(
      sink(row('softmax')) >= clear,
      ...['sigmoid, Z = 1', 'elu + 1, Z = 1', 'identity, Z = 1', 'MLP kernel, Z = 1'].map(
        (label) => sink(row(label)) <= none,
      ),
      ...['sigmoid, Z = sum', 'elu kernel, Z = sum'].map((label) => sink(row(label)) >= clear),
    ),
  depth: (row) =>
    judge(
      sink(row('four heads')) >= clear,
      sink(row('feed-forward, norm after')) >= clear,
      sink(row('3 layers, feed-forward')) <= none,
    ),
};

/** Holds a factor's finding against its runs; throws an Error for a factor without a check. */
export function verdictOf(factor: string, rows: readonly Runs[]): Verdict {
  const check = checks[factor];
  if (!check) throw new Error(`emergence: no check for factor ${factor}`);
  return check((label) => {
    const found = rows.find((row) => row.label === label);
    if (!found) throw new Error(`emergence, ${factor}: no row ${label}`);
    return found;
  });
}
