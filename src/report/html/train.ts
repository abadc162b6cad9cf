import { escapeText } from '../escape.ts';
import { integer, largest, number } from '../format.ts';
import type { TrainResult } from '../train.schema.ts';
import { duration, expected, trainSummary } from '../train-words.ts';
import { type Builder, builder } from './dom.ts';
import { shell } from './shell.ts';
import { htmlTable } from './tables.ts';
import { type StepPlotOptions, type StepSeries, stepPlot } from './train-plots.ts';

/** A training run as one self-contained page without any script: curves over steps, expectations, settings, provenance. */
export async function renderTrainHtml(result: TrainResult): Promise<string> {
  const build = builder();
  const { element, document } = build;
  const title = `Training: ${escapeText(result.recipe.name)}`;
  const source = result.recipe.source === null ? '' : ` Taken from ${escapeText(result.recipe.source)}.`;
  document.body.append(
    element('h1', {}, title),
    element('p', { class: 'soft' }, `${escapeText(result.recipe.about)}${source}`),
    element('div', { class: 'summary' }, ...trainSummary(result).map((sentence) => element('p', {}, sentence))),
    ...(result.verdicts.length > 0 ? [element('h2', {}, 'Expectations'), verdicts(build, result)] : []),
    ...(result.curve.length > 0
      ? [element('h2', {}, 'Over the steps'), element('div', { class: 'grid' }, ...plots(build, result))]
      : []),
    ...(result.watched.length > 0
      ? [element('h2', {}, 'Layer by layer, at the last look'), byLayer(build, result)]
      : []),
    element('h2', {}, 'Settings'),
    settings(build, result),
    element('h2', {}, 'Provenance'),
    provenance(build, result),
  );
  return shell({ title, body: document.body });
}

const tones = ['sink', 'others', 'third', 'fourth'] as const;

function plots(build: Builder, result: TrainResult): HTMLElement[] {
  const { curve, watched, validation, uniform } = result;
  const toy = result.recipe.kind === 'toy';
  type Lines = Record<string, StepSeries['points']>;
  const plot = (title: string, quantity: string, lines: Lines, more: Partial<StepPlotOptions> = {}) => {
    const drawn = Object.entries(lines).filter(([, points]) => points.length > 0);
    const series = drawn.map(([label, points], i) => ({ label, points, tone: tones[i % 4]!, dashed: i > 0 }));
    return series.length === 0 ? [] : [stepPlot(build, series, { title, quantity, ...more })];
  };
  const losses = { training: along(curve, 'loss'), validation: along(validation, 'loss') };
  const sinks: Lines = {
    'heads with a sink': along(watched, 'sinkRate'),
    'strongest layer, mean attention': watched.map(({ step, alpha }) => ({ step, value: largest(alpha) })),
    'the same if uniform': uniform === null ? [] : watched.map(({ step }) => ({ step, value: uniform })),
  };
  const ratio = watched.map(({ step, largestRatio }) => ({ step, value: largest(largestRatio) }));
  return [
    ...plot('Loss', toy ? 'loss' : 'nats per token', losses, { log: toy }),
    ...plot('Validation perplexity', 'perplexity', { validation: along(validation, 'perplexity') }, { log: true }),
    ...plot('Sink rate, ε 0.3', 'attention to the first token', sinks, { share: true }),
    ...plot('Largest activation', 'largest |residual| over the mean', { 'strongest layer': ratio }, { log: true }),
    ...Object.keys(curve[0]?.metrics ?? {}).flatMap((metric) => {
      const about = result.verdicts.find((verdict) => verdict.metric === metric)?.about ?? metric;
      const points = curve.map(({ step, metrics }) => ({ step, value: metrics?.[metric] ?? Number.NaN }));
      return plot(escapeText(metric), escapeText(metric), { [escapeText(about)]: points });
    }),
    ...plot('Gradient norm', 'norm', { 'before clipping': along(curve, 'gradientNorm') }, { log: true }),
    ...plot('Learning rate', 'learning rate', { 'at each step': along(curve, 'learningRate') }, { zero: true }),
  ];
}

/** One figure of every point. */
function along<K extends string>(points: readonly ({ step: number } & Record<K, number>)[], name: K) {
  return points.map((point) => ({ step: point.step, value: point[name] }));
}

function verdicts(build: Builder, result: TrainResult): HTMLElement {
  return htmlTable(
    build,
    'Expectations',
    [
      { title: '' },
      { title: 'found', class: 'number' },
      { title: 'expected' },
      { title: 'figure' },
      { title: 'what it is' },
    ],
    result.verdicts.map((verdict) => [
      verdict.shown ? 'shown' : 'not shown',
      number(verdict.found, 4),
      expected(verdict),
      escapeText(verdict.metric),
      escapeText(verdict.about),
    ]),
  );
}

function byLayer(build: Builder, { watched }: TrainResult): HTMLElement {
  const { step, sinkRateByLayer, alpha, largestRatio } = watched.at(-1)!;
  const numeric = (title: string) => ({ title, class: 'number' as const });
  return htmlTable(
    build,
    `Layers at step ${step}`,
    [
      numeric('layer'),
      numeric('heads with a sink, %'),
      numeric('attention to the first token, %'),
      numeric('largest |residual| × mean'),
    ],
    alpha.map((value, layer) => [
      String(layer),
      (sinkRateByLayer[layer]! * 100).toFixed(1),
      (value * 100).toFixed(1),
      number(largestRatio[layer]!),
    ]),
  );
}

function list(build: Builder, entries: readonly (readonly [string, string])[]): HTMLElement {
  const { element } = build;
  return element('dl', {}, ...entries.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
}

function settings(build: Builder, result: TrainResult): HTMLElement {
  const entries = Object.entries(result.settings).map(
    ([name, value]) =>
      [escapeText(name), escapeText(typeof value === 'number' ? number(value, 6) : String(value))] as const,
  );
  return list(build, [...entries, ['seed', String(result.seed)]]);
}

function provenance(build: Builder, { provenance: from, sinklab }: TrainResult): HTMLElement {
  return list(build, [
    ...from.data.map(
      ({ role, name, sha256, tokens }) =>
        [
          escapeText(role),
          escapeText(
            `${name}${tokens === undefined ? '' : `, ${integer(tokens).replace(/\u00a0/g, ' ')} tokens`}, SHA-256 ${sha256}`,
          ),
        ] as const,
    ),
    ['parameters', integer(from.parameters)],
    [
      'ran on',
      escapeText(`sinklab ${sinklab}, ${from.runtime}, ${from.device}, ${from.threads} threads, Node ${from.node}`),
    ],
    ['time', duration(from.seconds)],
  ]);
}
