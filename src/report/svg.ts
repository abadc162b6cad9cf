import { firstToken } from '../first-token.ts';
import type { ScanResult } from '../measure/result.ts';
import { escapeText } from './escape.ts';
import { percent } from './format.ts';
import { mapPlot } from './html/compare.ts';
import { builder } from './html/dom.ts';
import { curvePlot } from './html/plots.ts';
import { seriesOf } from './measured.ts';
import { framed } from './svg-frame.ts';
import { hasGaps } from './words.ts';

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
  const rate = main
    ? `${percent(main.rate.mean)} of heads${hasGaps(result) ? ' with a pattern' : ''} have a sink on ${firstToken(result)}`
    : '';
  return framed(build, {
    ...{ width, height },
    title: `Sink map of ${escapeText(model.source)}`,
    heading: `${escapeText(model.source.split('/').at(-1)!)}: ${rate}`,
    notes: [
      {
        ...{ x: 16, y: 50 },
        text: `Left: mean attention to ${firstToken(result)}, ${model.layers} layers × ${model.heads} heads, viridis from 0 to 100 %${main ? ` (sink: above ε ${main.epsilon}; under uniform attention ${percent(main.uniform)} of heads)` : ''}.`,
      },
      ...(hasGaps(result) ? [{ x: 16, y: 66, text: 'n/a: no attention pattern in this layer.' }] : []),
      { x: 484, y: 78, text: 'Right: the top sink (solid) beside the other tokens (dashed).' },
    ],
    pictures: [
      { picture: map, x: 0, y: 72 },
      { picture: norms, x: 480, y: 88 },
      { picture: values, x: 480, y: 316 },
    ],
  });
}
