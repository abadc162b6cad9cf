import { describe, expect, it } from 'vitest';
import { mapPlot } from '../../src/report/html/compare.ts';
import { builder } from '../../src/report/html/dom.ts';
import { curvePlot, ratePlot } from '../../src/report/html/plots.ts';

const lines = (element: Element) => `${element.outerHTML.replace(/></g, '>\n<')}\n`;

describe('plots', () => {
  it('draws curves over layers on a log scale, without the zero', async () => {
    const plot = curvePlot(
      builder(),
      [
        { label: 'top sink', values: [1, 10, 1000, 0], tone: 'sink' },
        { label: 'other tokens', values: [1, 2, 3, 4], tone: 'others', dashed: true },
      ],
      { title: 'Norm', quantity: 'L2 norm', log: true, marks: [{ layer: 1, label: 'written' }] },
    );
    await expect(lines(plot)).toMatchFileSnapshot('__snapshots__/curves.html');
  });

  it('draws sink rates with their spread beside uniform attention', async () => {
    const rates = [
      { epsilon: 0.3, rate: { mean: 0.5, deviation: 0.1, n: 10 }, uniform: 0 },
      { epsilon: 0.1, rate: { mean: 0.75, deviation: 0.05, n: 10 }, uniform: 0.25 },
    ];
    await expect(lines(ratePlot(builder(), rates, 'All layers'))).toMatchFileSnapshot('__snapshots__/rates.html');
  });

  it('draws a head map on a fixed scale from 0 to 1', async () => {
    const plot = mapPlot(
      builder(),
      [
        [0, 1],
        [0.5, 0.25],
      ],
      'A',
    );
    await expect(lines(plot)).toMatchFileSnapshot('__snapshots__/map.html');
    expect(plot.outerHTML).toContain('#440154');
  });

  it('carries no style of its own, which the policy of the page would refuse', () => {
    const plot = curvePlot(builder(), [{ label: 'a', values: [1, 2], tone: 'sink' }], { title: 'a', quantity: 'b' });
    expect(plot.outerHTML).not.toMatch(/<style|style=/);
  });

  it('draws a model of one layer as points', () => {
    const plot = curvePlot(builder(), [{ label: 'a', values: [2], tone: 'sink' }], { title: 'a', quantity: 'b' });
    expect(plot.querySelectorAll('circle').length).toBe(1);
  });
});
