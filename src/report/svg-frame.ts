import type { Builder } from './html/dom.ts';
import { colors } from './html/style.ts';

/** A picture of several parts. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  /** For who cannot see it; text already safe to show. */
  readonly title: string;
  readonly heading: string;
  /** Smaller lines of text, with their places. */
  readonly notes: readonly { readonly x: number; readonly y: number; readonly text: string; readonly tone?: string }[];
  readonly pictures: readonly { readonly picture: Element; readonly x: number; readonly y: number }[];
}

/** One self-contained SVG, light and dark. */
export function framed({ element }: Builder, { width, height, title, heading, notes, pictures }: Frame): string {
  const font = { 'font-family': 'system-ui, sans-serif' };
  for (const { picture, x, y } of pictures)
    for (const [name, value] of Object.entries({ x, y, fill: 'var(--ink)', ...font, 'font-size': 11 }))
      picture.setAttribute(name, String(value));
  const root = element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img' },
    element('title', {}, title),
    element(
      'style',
      {},
      `${colors}text { white-space: pre; } [aria-label="cell"] { shape-rendering: crispEdges; } svg { --plot-background: var(--paper); color: var(--ink); overflow: visible; }`,
    ),
    element('rect', { width, height, fill: 'var(--paper)' }),
    element('text', { x: 16, y: 28, 'font-size': 17, 'font-weight': 600, ...font, fill: 'var(--ink)' }, heading),
    ...notes.map(({ x, y, text, tone = 'soft' }) =>
      element('text', { x, y, 'font-size': 12.5, ...font, fill: `var(--${tone})` }, text),
    ),
    ...pictures.map(({ picture }) => picture),
  );
  return `${root.outerHTML}\n`;
}
