import * as Plot from '@observablehq/plot';
import { number, percent } from '../format.ts';
import type { Builder } from './dom.ts';
import { figure, type Series, tidy } from './plots.ts';

export interface StepSeries extends Omit<Series, 'values'> {
  readonly points: readonly { readonly step: number; readonly value: number }[];
}

export interface StepPlotOptions {
  readonly title: string;
  /** The quantity and its unit, on the vertical axis. */
  readonly quantity: string;
  readonly log?: boolean;
  /** From 0 to 100 %. */
  readonly share?: boolean;
  /** The axis begins at 0. */
  readonly zero?: boolean;
}

/** Points drawn of one curve; of longer ones neighbours are averaged. */
const mostPoints = 300;

/** Curves over training steps as an SVG figure with its key; on a log scale values of 0 or less are left out. */
export function stepPlot(build: Builder, series: readonly StepSeries[], options: StepPlotOptions): HTMLElement {
  const { title, quantity, log = false, share = false, zero = false } = options;
  const all = series.flatMap(({ points }) => points);
  const first = Math.min(...all.map(({ step }) => step));
  const last = Math.max(...all.map(({ step }) => step));
  const marks = series.map(({ points, tone, dashed }) => {
    const shown = thinned(points).map(({ step, value }) => ({
      step,
      value: Number.isFinite(value) && (!log || value > 0) ? value : Number.NaN,
    }));
    const stroke = `var(--${tone})`;
    if (shown.length === 1) return Plot.dot(shown, { x: 'step', y: 'value', fill: stroke });
    const dash = dashed ? { strokeDasharray: '5 3' } : {};
    return Plot.lineY(shown, { x: 'step', y: 'value', stroke, strokeWidth: 1.75, ...dash });
  });
  const svg = Plot.plot({
    ...{ width: 380, height: 220, marginLeft: 52, marginRight: 14, marginTop: 26, marginBottom: 36 },
    document: build.document,
    className: 'plot',
    x: {
      label: 'step',
      domain: first < last ? [Math.min(first, 0), last] : [first - 1, first + 1],
      ticks: 5,
      tickFormat: (value: number) => number(value, 4),
    },
    y: {
      label: quantity,
      grid: true,
      ...(share
        ? { domain: [0, 1], ticks: 5, tickFormat: (value: number) => percent(value, 0) }
        : {
            nice: true,
            zero,
            ...(log ? { type: 'log', ticks: 4 } : { ticks: 5 }),
            tickFormat: (value: number) => number(value),
          }),
    },
    marks,
  });
  return figure(
    build,
    tidy(svg),
    title,
    // Further runs of one line have no key of their own.
    series.filter(({ label }) => label !== '').map((one) => ({ ...one, values: [] })),
  );
}

function thinned(points: StepSeries['points']): StepSeries['points'] {
  const size = Math.ceil(points.length / mostPoints);
  if (size <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size);
    return { step: part.at(-1)!.step, value: part.reduce((sum, { value }) => sum + value, 0) / part.length };
  });
}
