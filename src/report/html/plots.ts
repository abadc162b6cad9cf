import * as Plot from '@observablehq/plot';
import type { MeasuredCurves, ScanResult, SinkRate } from '../../measure/result.ts';
import { escapeText } from '../escape.ts';
import { number } from '../format.ts';
import { linesOf, measuredCurves } from '../measured.ts';
import type { Builder } from './dom.ts';

export interface Series {
  /** Shown in the key beside the plot. */
  label: string;
  values: readonly number[];
  tone: 'sink' | 'others' | 'third' | 'fourth';
  dashed?: boolean;
}

export interface CurveOptions {
  title: string;
  /** The quantity and its unit, on the vertical axis. */
  quantity: string;
  log?: boolean;
  /** Layers marked by a vertical line. */
  marks?: { layer: number; label: string }[];
}

const size = { width: 380, height: 220, marginLeft: 52, marginRight: 10, marginTop: 26, marginBottom: 36 } as const;

/** Curves over layers as an SVG figure with its key; on a log scale values of 0 or less are left out. */
export function curvePlot(build: Builder, series: readonly Series[], options: CurveOptions): HTMLElement {
  const shown = (value: number) => Number.isFinite(value) && (!options.log || value > 0);
  const marks = series.flatMap(({ values, tone, dashed }) => {
    const points = values.map((value, layer) => ({ layer, value: shown(value) ? value : Number.NaN }));
    const stroke = `var(--${tone})`;
    const line = Plot.lineY(points, {
      x: 'layer',
      y: 'value',
      stroke,
      strokeWidth: 1.75,
      ...(dashed ? { strokeDasharray: '5 3' } : {}),
    });
    // Layers without a value would leave single points without a line.
    const gaps = values.some((value) => Number.isNaN(value));
    if (gaps && values.length > 1) {
      const known = points.filter(({ value }) => Number.isFinite(value));
      const joined = { x: 'layer', y: 'value', stroke, strokeWidth: 1, strokeOpacity: 0.5 } as const;
      return [
        Plot.lineY(known, { ...joined, ...(dashed ? { strokeDasharray: '5 3' } : {}) }),
        Plot.dot(known, { x: 'layer', y: 'value', fill: stroke, r: 3 }),
      ];
    }
    return values.length > 1 ? [line] : [Plot.dot(points, { x: 'layer', y: 'value', fill: stroke })];
  });
  const lines = (options.marks ?? []).flatMap(({ layer, label }) => [
    Plot.ruleX([layer], { stroke: 'currentColor', strokeOpacity: 0.45, strokeDasharray: '2 3' }),
    Plot.text([label], {
      x: layer,
      frameAnchor: 'bottom',
      dx: 3,
      dy: -4,
      textAnchor: 'start',
      fill: 'currentColor',
      stroke: 'var(--paper)',
      strokeWidth: 4,
    }),
  ]);
  const layers = Math.max(...series.map(({ values }) => values.length));
  const svg = Plot.plot({
    ...size,
    document: build.document,
    className: 'plot',
    x: {
      label: 'layer',
      domain: layers > 1 ? [0, layers - 1] : [-0.5, 0.5],
      ticks: Math.min(layers, 8),
      tickFormat: 'd',
    },
    y: {
      label: options.quantity,
      grid: true,
      nice: true,
      ...(options.log
        ? { type: 'log', ticks: powersOfTen(series), tickFormat: (value: number) => number(value) }
        : { ticks: 5 }),
    },
    marks: [...lines, ...marks],
  });
  return figure(build, tidy(svg), options.title, series);
}

/** The powers of ten within and just around the values. */
function powersOfTen(series: readonly Series[]): number[] {
  const logs = series.flatMap(({ values }) =>
    values.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10),
  );
  if (logs.length === 0) return [1];
  const least = Math.floor(Math.min(...logs));
  return Array.from({ length: Math.ceil(Math.max(...logs)) - least + 1 }, (_, i) => 10 ** (least + i));
}

/** Sink rate for each epsilon with its spread between texts, beside its value under uniform attention. */
export function ratePlot(build: Builder, rates: readonly SinkRate[], title: string): HTMLElement {
  const points = rates.map(({ epsilon, rate, uniform }) => ({
    epsilon: String(epsilon),
    mean: rate.mean,
    low: Math.max(0, rate.mean - rate.deviation),
    high: Math.min(1, rate.mean + rate.deviation),
    uniform,
  }));
  const svg = Plot.plot({
    ...size,
    document: build.document,
    className: 'plot',
    x: { label: 'epsilon', type: 'band', domain: points.map((point) => point.epsilon).reverse(), padding: 0.55 },
    y: { label: 'sink rate', domain: [0, 1], grid: true, tickFormat: '.0%', ticks: 5 },
    marks: [
      Plot.ruleX(points, { x: 'epsilon', y1: 'low', y2: 'high', stroke: 'var(--sink)', strokeWidth: 2 }),
      Plot.dot(points, { x: 'epsilon', y: 'mean', fill: 'var(--sink)', r: 4.5 }),
      Plot.tickY(points, {
        x: 'epsilon',
        y: 'uniform',
        stroke: 'var(--others)',
        strokeWidth: 2,
        strokeDasharray: '5 3',
      }),
    ],
  });
  return figure(build, tidy(svg), title, [
    { label: 'measured, ± deviation between texts', tone: 'sink', values: [] },
    { label: 'under uniform attention', tone: 'others', values: [], dashed: true },
  ]);
}

const tones = ['sink', 'others', 'third', 'fourth'] as const;

/** The largest entries of the residual, then every measurement of the page that declares curves. */
export function layerPlots(build: Builder, result: ScanResult): HTMLElement[] {
  const { page } = result;
  const marks = [
    ...(page.written === null ? [] : [{ layer: page.written, label: 'written' }]),
    ...(page.erased === null ? [] : [{ layer: page.erased, label: 'erased' }]),
  ];
  const entry = (i: 0 | 1 | 2) => page.curves.largest.map((values) => values[i]);
  return [
    curvePlot(
      build,
      [
        { label: 'largest', values: entry(0), tone: 'sink' },
        { label: 'second', values: entry(1), tone: 'fourth' },
        { label: 'third', values: entry(2), tone: 'third' },
        { label: 'median', values: page.curves.median, tone: 'others', dashed: true },
      ],
      { title: 'Largest entries of the residual', quantity: '|residual|', log: true, marks },
    ),
    ...measuredPlots(build, measuredCurves(result), marks),
  ];
}

/** Measurements as curves over layers, beside their values under uniform attention. */
export function measuredPlots(
  build: Builder,
  measured: readonly MeasuredCurves[],
  marks: NonNullable<CurveOptions['marks']> = [],
): HTMLElement[] {
  return measured.map((one) =>
    curvePlot(
      build,
      linesOf(one).map(({ label, values }, i) => ({
        label: escapeText(label),
        values,
        tone: tones[i % tones.length]!,
        dashed: i > 0,
      })),
      { title: escapeText(one.title), quantity: escapeText(one.quantity), log: one.log, marks },
    ),
  );
}

export function figure(build: Builder, svg: Element, title: string, series: readonly Series[]): HTMLElement {
  const { element } = build;
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', title);
  const keys = series.map(({ label, tone, dashed }) =>
    element('span', { class: `key ${tone}${dashed ? ' dashed' : ''}` }, label),
  );
  return element('figure', {}, element('figcaption', {}, element('strong', {}, title), element('br'), ...keys), svg);
}

/** Plot's own `<style>` would break the page's policy (its rules are in ours); coordinates need no more than two decimals. */
export function tidy(svg: Element): Element {
  for (const style of svg.querySelectorAll('style')) style.remove();
  for (const node of [svg, ...svg.querySelectorAll('*')]) {
    for (const { name, value } of [...node.attributes]) {
      if (/\.\d{3}/.test(value))
        node.setAttribute(
          name,
          value.replace(/-?\d+\.\d{3,}/g, (digits) => String(Number(Number(digits).toFixed(2)))),
        );
    }
  }
  return svg;
}
