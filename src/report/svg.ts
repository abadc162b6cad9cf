import type { ScanResult } from '../measure/result.ts';
import { escapeText } from './escape.ts';
import { percent } from './format.ts';
import { mapPlot } from './html/compare.ts';
import { builder } from './html/dom.ts';
import { curvePlot } from './html/plots.ts';
import { colors } from './html/style.ts';
import { seriesOf } from './measured.ts';

const width = 900;

/**
 * A scan as one picture: the sink map beside the norm of the residual and the attention to the top sink. Self-contained, light and dark; every
 * text in it is a text node with its controls escaped.
 */
export function renderSvg(result: ScanResult): string {
  const build = builder();
  const { page, model } = result;
  const main = result.sinkRates[0];
  const svg = (figure: HTMLElement) => figure.querySelector('svg')!;
  const map = svg(mapPlot(build, result.received, 'Attention to key 0'));
  const marks = [
    ...(page.written === null ? [] : [{ layer: page.written, label: 'written' }]),
    ...(page.erased === null ? [] : [{ layer: page.erased, label: 'erased' }]),
  ];
  const pair = (title: string) =>
    [
      { label: 'top sink', values: seriesOf(result, title, 'top sink'), tone: 'sink' },
      { label: 'other tokens', values: seriesOf(result, title, 'other tokens'), tone: 'others', dashed: true },
    ] as const;
  const norms = svg(
    curvePlot(build, pair('Norm of the residual'), {
      title: 'Norm of the residual',
      quantity: 'norm of the residual',
      log: true,
      marks,
    }),
  );
  const values = svg(curvePlot(build, pair('Norm of values'), { title: 'Norm of values', quantity: 'norm of values' }));
  const high = Number(map.getAttribute('height'));
  const height = 72 + Math.max(high, 470) + 12;
  const place = (picture: Element, x: number, y: number) => {
    picture.setAttribute('x', String(x));
    picture.setAttribute('y', String(y));
    picture.setAttribute('fill', 'var(--ink)');
    picture.setAttribute('font-family', 'system-ui, sans-serif');
    picture.setAttribute('font-size', '11');
    return picture;
  };
  const { element } = build;
  const rate = main ? `${percent(main.rate.mean)} of heads have a sink on the first token` : '';
  const root = element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img' },
    element('title', {}, `Sink map of ${escapeText(model.source)}`),
    element(
      'style',
      {},
      `${colors}text { white-space: pre; } [aria-label="cell"] { shape-rendering: crispEdges; } svg { --plot-background: var(--paper); color: var(--ink); overflow: visible; }`,
    ),
    element('rect', { width, height, fill: 'var(--paper)' }),
    element(
      'text',
      { x: 16, y: 28, 'font-size': 17, 'font-weight': 600, 'font-family': 'system-ui, sans-serif', fill: 'var(--ink)' },
      `${escapeText(model.source.split('/').at(-1)!)}: ${rate}`,
    ),
    element(
      'text',
      { x: 16, y: 50, 'font-size': 12.5, 'font-family': 'system-ui, sans-serif', fill: 'var(--soft)' },
      `Left: mean attention to the first token, ${model.layers} layers × ${model.heads} heads, viridis from 0 to 100 %${main ? ` (sink: above ε ${main.epsilon}; under uniform attention ${percent(main.uniform)} of heads)` : ''}.`,
    ),
    element(
      'text',
      { x: 484, y: 78, 'font-size': 12.5, 'font-family': 'system-ui, sans-serif', fill: 'var(--soft)' },
      'Right: the top sink (solid) beside the other tokens (dashed).',
    ),
    place(map, 0, 72),
    place(norms, 480, 88),
    place(values, 480, 316),
  );
  return `${root.outerHTML}\n`;
}
