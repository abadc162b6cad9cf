import * as Plot from '@observablehq/plot';
import type { HeadMap, ScanResult } from '../../measure/result.ts';
import { comparedFigures, differenceMap, unlike } from '../difference.ts';
import { escapeText } from '../escape.ts';
import { largest, mean, number, percent } from '../format.ts';
import { measuredCurves, seriesOf } from '../measured.ts';
import { withoutRow0 } from '../words.ts';
import { type Builder, builder } from './dom.ts';
import { curvePlot, figure, tidy } from './plots.ts';
import { shell } from './shell.ts';
import { htmlTable, provenance, sinkTable } from './tables.ts';

/** Two scans side by side as one self-contained page without any script: figures, maps on one scale, their difference, curves, sinks. */
export async function renderCompareHtml(a: ScanResult, b: ScanResult): Promise<string> {
  const build = builder();
  const { element, document } = build;
  const title = `Attention sinks: ${escapeText(a.model.source)} and ${escapeText(b.model.source)}`;
  const both = (of: (result: ScanResult, letter: string) => HTMLElement) =>
    element('div', { class: 'pair even' }, of(a, 'A'), of(b, 'B'));
  const difference = differenceMap(a.received, b.received);
  document.body.append(
    element('h1', {}, title),
    ...unlike(a, b).map((sentence) => element('p', { class: 'note' }, escapeText(sentence))),
    both((result, letter) =>
      element(
        'div',
        {},
        element('h2', {}, `${letter}: ${escapeText(result.model.source)}`),
        ...result.summary.map((sentence) => element('p', {}, escapeText(sentence))),
      ),
    ),
    element('h2', {}, 'Figures'),
    figures(build, a, b),
    element('h2', {}, 'Sink maps'),
    element(
      'p',
      { class: 'soft' },
      `Mean attention to key 0${withoutRow0(a) && withoutRow0(b)}, layers down and heads across, both on one scale from 0 to 100 %.`,
    ),
    both((result, letter) => mapPlot(build, result.received, letter)),
    ...(difference === null
      ? []
      : [
          element('h2', {}, 'Difference, B − A'),
          element(
            'p',
            { class: 'soft' },
            `Orange: more in B; purple: more in A; the scale ends at ±${percent(reach(difference), 0)}.`,
          ),
          mapPlot(build, difference, 'Difference', true),
        ]),
    element('h2', {}, 'Layer by layer'),
    element('div', { class: 'grid' }, ...curves(build, a, b)),
    element('h2', {}, 'Sink tokens'),
    both((result, letter) =>
      element('div', {}, element('p', {}, letter), sinkTable(build, result, `Sink tokens of ${letter}`)),
    ),
    element('h2', {}, 'Provenance'),
    both((result) => provenance(build, result)),
  );
  return shell({ title, body: document.body });
}

function figures(build: Builder, a: ScanResult, b: ScanResult): HTMLElement {
  const show = (value: number | null, unit: 'share' | 'number') =>
    value === null ? '–' : unit === 'share' ? percent(value) : number(value);
  return htmlTable(
    build,
    'Figures',
    [
      { title: '' },
      { title: 'A', class: 'number' },
      { title: 'B', class: 'number' },
      { title: 'B − A', class: 'number' },
    ],
    comparedFigures(a, b).map((entry) => [
      entry.name,
      show(entry.a, entry.unit),
      show(entry.b, entry.unit),
      show(entry.a === null || entry.b === null ? null : entry.b - entry.a, entry.unit),
    ]),
  );
}

/** A head map as SVG cells; `signed` values on a diverging scale that ends at the tenth above the largest. */
export function mapPlot(build: Builder, map: HeadMap, title: string, signed = false): HTMLElement {
  const cells = map.flatMap((row, layer) => (row ?? []).map((value, head) => ({ layer, head, value })));
  const heads = map.find((row) => row !== null)?.length ?? 0;
  const gaps = map.flatMap((row, layer) => (row === null ? [layer] : []));
  const every = (count: number, most: number) => {
    const step = [1, 2, 4, 5, 8, 10, 16, 20, 32, 64].find((s) => count / s <= most) ?? 128;
    return Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step);
  };
  const svg = Plot.plot({
    document: build.document,
    className: 'plot',
    width: 460,
    height: Math.max(120, Math.min(620, map.length * 13)) + 44,
    marginLeft: 44,
    marginTop: 34,
    marginBottom: 10,
    marginRight: 10,
    padding: 0,
    x: { label: 'head', axis: 'top', domain: Array.from({ length: heads }, (_, h) => h), ticks: every(heads, 16) },
    y: { label: 'layer', domain: map.map((_, layer) => layer), ticks: every(map.length, 32) },
    color: signed
      ? { type: 'linear', scheme: 'puor', domain: [-reach(map), reach(map)] }
      : { type: 'linear', scheme: 'viridis', domain: [0, 1] },
    marks: [
      Plot.cell(cells, {
        x: 'head',
        y: 'layer',
        fill: 'value',
        title: ({ layer, head, value }) => `layer ${layer}, head ${head}: ${percent(value)}`,
      }),
      Plot.text(gaps, {
        x: () => Math.floor((heads - 1) / 2),
        y: (layer: number) => layer,
        text: () => 'n/a',
        title: (layer: number) => `layer ${layer}: no attention pattern`,
        fill: 'currentColor',
        fillOpacity: 0.7,
      }),
    ],
  });
  return figure(build, tidy(svg), title, []);
}

/** The largest |value| of a map, rounded up to a tenth. */
function reach(map: HeadMap): number {
  return Math.max(0.1, Math.ceil(largest(map.flatMap((row) => row ?? []).map(Math.abs)) * 10) / 10);
}

function curves(build: Builder, a: ScanResult, b: ScanResult): HTMLElement[] {
  const curve = (title: string, quantity: string, of: (result: ScanResult) => number[], log = false) =>
    curvePlot(
      build,
      [
        { label: 'A', values: of(a), tone: 'sink' },
        { label: 'B', values: of(b), tone: 'others', dashed: true },
      ],
      { title, quantity, log },
    );
  return [
    curve('Attention to key 0', 'mean over heads', ({ received }) =>
      received.map((heads) => (heads === null ? Number.NaN : mean(heads))),
    ),
    curve('Largest entry of the residual', '|residual|', ({ page }) => page.curves.largest.map(([m1]) => m1), true),
    ...measuredCurves(a).flatMap(({ title, quantity, log, series: [first] }) => {
      if (!first || seriesOf(b, title, first.label).length === 0) return [];
      const name = `${escapeText(title)}: ${escapeText(first.label)}`;
      return [curve(name, escapeText(quantity), (result) => seriesOf(result, title, first.label), log)];
    }),
  ];
}
