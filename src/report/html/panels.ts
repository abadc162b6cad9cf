import type { Builder } from './dom.ts';

/** Plots that share one picture, and where each stands in it. */
export interface Panels {
  readonly width: number;
  readonly height: number;
  readonly pictures: readonly { readonly picture: Element; readonly x: number; readonly y: number }[];
}

/** Panels as a figure of a page, under a key if there is one; in little room they scroll. */
export function panelsFigure(
  { element }: Builder,
  { width, height, pictures }: Panels,
  title: string,
  key: readonly (HTMLElement | string)[],
): HTMLElement {
  for (const { picture, x, y } of pictures)
    for (const [name, value] of Object.entries({ x, y })) picture.setAttribute(name, String(value));
  const svg = element(
    'svg',
    { class: 'plot', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': title },
    ...pictures.map(({ picture }) => picture),
  );
  return element(
    'figure',
    { class: 'broad' },
    ...(key.length > 0 ? [element('figcaption', {}, ...key)] : []),
    element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title }, svg),
  );
}
