import * as Plot from '@observablehq/plot';
import { escapeText } from '../escape.ts';
import { bytes, number } from '../format.ts';
import type { PoliciesReport } from '../policies.schema.ts';
import { lineStyle, policyCurves } from '../policies-curves.ts';
import type { Builder } from './dom.ts';
import type { Panels } from './panels.ts';
import { tidy } from './plots.ts';

const dashArrays = { solid: undefined, dashed: '6 3', dotted: '2 3' } as const;

/** Loss, memory and time against the position in the text, one line a policy; a cross where a policy ended. */
export function policyPanels(build: Builder, report: PoliciesReport): Panels {
  const [width, left, right] = [960, 70, 16];
  const quantities = policyCurves(report);
  let y = 0;
  const pictures = quantities.map(({ title, curves, log }, q) => {
    const last = q === quantities.length - 1;
    const height = (q === 0 ? 300 : 170) + (last ? 18 : 0);
    const place = { x: 0, y };
    y += height;
    const lines = curves.flatMap((curve, i) => {
      const { tone, dash } = lineStyle(i);
      const points = curve.map(({ at, value }) => ({ at, value: log && value <= 0 ? Number.NaN : value }));
      const stroke = `var(--${tone})`;
      const dashed = dashArrays[dash];
      const style = {
        x: 'at',
        y: 'value',
        stroke,
        strokeWidth: 1.6,
      };
      const end = report.policies[i]!.ended;
      const final = points.findLast(({ value }) => Number.isFinite(value));
      return [
        points.length === 1
          ? Plot.dot(points, { x: 'at', y: 'value', fill: stroke })
          : Plot.lineY(points, { ...style, ...(dashed ? { strokeDasharray: dashed } : {}) }),
        ...(end && final
          ? [Plot.dot([final], { x: 'at', y: 'value', stroke, symbol: 'times' as const, r: 5, strokeWidth: 2 })]
          : []),
      ];
    });
    const ticks = log ? { type: 'log' as const, ticks: 4 } : { ticks: q === 0 ? 6 : 4 };
    const svg = Plot.plot({
      ...{ width, height, marginLeft: left, marginRight: right, marginTop: 34, marginBottom: last ? 38 : 20 },
      document: build.document,
      className: 'panel',
      x: {
        domain: [0, report.text.tokens],
        label: last ? 'token of the text' : null,
        ticks: 8,
        tickFormat: (value: number) => number(value, 6),
      },
      y: {
        label: null,
        grid: true,
        nice: true,
        ...(q === 0 || log ? {} : { zero: true }),
        ...ticks,
        tickFormat: (value: number) => (q === 1 ? bytes(value) : number(value)),
      },
      marks: [
        Plot.text([`${title}${log ? ', logarithmic' : ''}`], {
          ...{ frameAnchor: 'top-left', dx: -left + 6, dy: -22, textAnchor: 'start' },
          ...{ fill: 'currentColor', fontWeight: 600 },
        }),
        Plot.ruleX([report.capacity], { stroke: 'currentColor', strokeOpacity: 0.5, strokeDasharray: '2 3' }),
        ...(q === 0
          ? [
              Plot.text(['capacity'], {
                ...{ x: report.capacity, frameAnchor: 'top', dx: 4, dy: -4, textAnchor: 'start', lineAnchor: 'bottom' },
                fill: 'var(--soft)',
              }),
            ]
          : []),
        ...lines,
      ],
    });
    return { ...place, picture: tidy(svg) };
  });
  return { width, height: y, pictures };
}

/** Tokens that each policy holds at some moments: a row for each, from the first token to the last, darker where more heads hold it. */
export function keptPanel(build: Builder, { policies, text }: PoliciesReport): Panels {
  const [width, left, row] = [960, 170, 9];
  const front = Math.max(0, ...policies.map(({ newlines }) => newlines));
  const rows = policies.flatMap((policy, p) =>
    policy.kept.map((moment, m) => ({ y: `${p}.${m}`, p, m, policy, ...moment })),
  );
  const height = 44 + row * rows.length + 10 * policies.length;
  // Neighbours that share a column of the picture: the most that any of them is held.
  const column = Math.max(1, Math.ceil((text.tokens + front) / 760));
  const bars = rows.flatMap(({ y, p, runs }) => {
    const cells = new Map<number, number>();
    for (const [from, to, share] of runs)
      for (let c = Math.floor(from / column); c <= Math.floor((to - 1) / column); c++)
        cells.set(c, Math.max(cells.get(c) ?? 0, share));
    const merged: { y: string; x1: number; x2: number; share: number; tone: string }[] = [];
    for (const [c, share] of [...cells].sort(([a], [b]) => a - b)) {
      const before = merged.at(-1);
      if (before && before.x2 === c * column && before.share === share) before.x2 += column;
      else merged.push({ y, x1: c * column, x2: (c + 1) * column, share, tone: `var(--${lineStyle(p).tone})` });
    }
    return merged;
  });
  const first = (p: number) => rows.find((one) => one.p === p && one.m === 0);
  const svg = Plot.plot({
    ...{ width, height: Math.max(80, height), marginLeft: left, marginRight: 16, marginTop: 8, marginBottom: 36 },
    document: build.document,
    className: 'panel',
    x: {
      domain: [-front, text.tokens],
      label: 'token of the text',
      ticks: 8,
      tickFormat: (value: number) => number(value, 6),
    },
    y: {
      type: 'band',
      domain: policies.flatMap((_, p) => [
        ...rows.filter((one) => one.p === p).map(({ y }) => y),
        ...(p + 1 < policies.length ? [`gap ${p}`] : []),
      ]),
      axis: null,
      padding: 0.15,
    },
    marks: [
      Plot.rect(bars, {
        ...{
          x1: 'x1',
          x2: 'x2',
          y: 'y',
          fill: 'tone',
          fillOpacity: (one: { share: number }) => 0.15 + 0.8 * one.share,
        },
      }),
      Plot.tickX(rows, { x: 'at', y: 'y', stroke: 'currentColor', strokeWidth: 1 }),
      Plot.text(
        policies.flatMap((_, p) => first(p) ?? []),
        {
          ...{ y: 'y', frameAnchor: 'left', textAnchor: 'end', dx: -10, fill: 'currentColor' },
          text: ({ policy }: (typeof rows)[number]) => escapeText(policy.label),
        },
      ),
    ],
  });
  return { width, height: Math.max(80, height), pictures: [{ picture: tidy(svg), x: 0, y: 0 }] };
}
