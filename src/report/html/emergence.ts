import type { EmergenceReport } from '../emergence.schema.ts';
import { emergenceTable } from '../emergence-figures.ts';
import { escapeText } from '../escape.ts';
import { percent } from '../format.ts';
import { duration } from '../train-words.ts';
import { type Builder, builder } from './dom.ts';
import { shell } from './shell.ts';
import { htmlTable } from './tables.ts';
import { type StepSeries, stepPlot } from './train-plots.ts';

type Factor = EmergenceReport['factors'][number];
type Row = Factor['rows'][number];

/** The factors as one self-contained page without any script: curves of every seed, tables, verdicts. */
export async function renderEmergenceHtml(report: EmergenceReport): Promise<string> {
  const build = builder();
  const { element, document } = build;
  const title = 'When attention sinks emerge';
  document.body.append(
    element('h1', {}, title),
    element(
      'p',
      { class: 'soft' },
      `The factor experiments of 2410.10781 on a bigram language with one thing to copy: small decoders, ${report.seeds.length === 1 ? 'one seed' : `${report.seeds.length} seeds`}. A head has a sink on a key where its mean attention to it is above 0.3 (uniform attention: ${percent(report.uniform)} of heads).`,
    ),
    ...report.factors.flatMap((factor) => section(build, factor)),
    element('h2', {}, 'Provenance'),
    element(
      'p',
      {},
      escapeText(
        `sinklab ${report.sinklab}, ${report.provenance.runtime}, Node ${report.provenance.node}; ${duration(report.provenance.seconds)} of training in all.`,
      ),
    ),
  );
  return shell({ title, body: document.body });
}

const tones = ['sink', 'others', 'third', 'fourth'] as const;

function section(build: Builder, { title, finding, verdict, rows }: Factor): HTMLElement[] {
  const { element } = build;
  const { columns, cells } = emergenceTable(rows);
  return [
    element('h2', {}, `${escapeText(title)}: ${verdict}`),
    element('p', {}, escapeText(finding)),
    element('div', { class: 'grid' }, ...emergencePlots(build, rows)),
    htmlTable(
      build,
      escapeText(title),
      columns.map((column) => ({ title: column.title, ...(column.text ? {} : { class: 'number' as const }) })),
      cells,
    ),
  ];
}

/** The figures of `plots`, in pairs. */
export const emergencePlots = (build: Builder, rows: readonly Row[]): HTMLElement[] =>
  plots(rows).map(([quantity, series, share]) =>
    stepPlot(build, series, { title: quantity, quantity, ...(share ? { share } : {}) }),
  );

/** Sink rate and loss over the steps, four rows at a time so that the lines can be told apart; one line for each seed. */
function plots(rows: readonly Row[]): [string, StepSeries[], boolean][] {
  const groups: Row[][] = [];
  for (let i = 0; i < rows.length; i += tones.length) groups.push(rows.slice(i, i + tones.length));
  return groups.flatMap((group): [string, StepSeries[], boolean][] => [
    ['sink on the 1st token', lines(group, ({ sinkRate }) => sinkRate[0]!), true],
    ['held-out loss, nats', lines(group, ({ loss }) => loss), false],
  ]);
}

function lines(rows: readonly Row[], figure: (look: Row['runs'][number]['looks'][number]) => number): StepSeries[] {
  return rows.flatMap(({ label, runs }, i) =>
    runs.map(({ looks }, seed) => ({
      label: seed === 0 ? escapeText(label) : '',
      tone: tones[i % tones.length]!,
      dashed: i > 0,
      points: looks.map((look) => ({ step: look.step, value: figure(look) })),
    })),
  );
}
