import type { AxesPainter } from './axes.ts';
import type { PatternRenderer } from './render.ts';
import type { PageData, Selection, Shared } from './types.ts';

/**
 * The page's script is this function called with the parts below; each part is embedded as the text of its function. So every part
 * is self-contained: it uses its arguments and the browser's globals, and imports types only.
 */
export interface Parts {
  viridis: () => (share: number) => [number, number, number];
  map: (shared: Shared) => void;
  strip: (shared: Shared) => void;
  viewer: (shared: Shared, render: PatternRenderer, axes: AxesPainter) => void;
  picture: (shared: Shared) => void;
  cross: (shared: Shared) => void;
  spectrogram: (shared: Shared) => void;
  render: PatternRenderer;
  axes: AxesPainter;
}

export function boot(parts: Parts): void {
  const find = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
  const data = JSON.parse(find('data').textContent ?? '') as PageData;
  const listeners: ((changed: Partial<Selection>) => void)[] = [];
  const selection: Selection = {
    ...data.start,
    stripLayer: null,
    key: null,
    query: null,
    overKey: null,
    overQuery: null,
    memory: null,
  };
  const uniformRows = data.uniform.of.map((i) => (i === null ? null : data.uniform.rows[i]!));
  const average = (rows: readonly (readonly number[] | null)[]) => {
    const known = rows.filter((row) => row !== null);
    return data.tokens.map((_, s) => known.reduce((sum, row) => sum + row[s]!, 0) / known.length);
  };
  const mean = { received: average(data.received), uniform: average(uniformRows) };
  const placed = data.tokens.flatMap(({ patch }, s) => (patch || data.frames ? [s] : []));
  const shared: Shared = {
    data,
    selection,
    select(change) {
      const changed: Partial<Selection> = {};
      for (const name of Object.keys(change) as (keyof Selection)[]) {
        if (change[name] !== selection[name]) Object.assign(changed, { [name]: change[name] });
      }
      if (Object.keys(changed).length === 0) return;
      Object.assign(selection, changed);
      for (const listener of listeners) listener(changed);
    },
    onSelect: (listener) => listeners.push(listener),
    find,
    make(tag, text) {
      const element = document.createElement(tag);
      if (text !== undefined) element.textContent = text;
      return element;
    },
    percent(share) {
      const value = share * 100;
      if (value === 0) return '0 %';
      return `${Math.abs(value) < 0.1 ? Number(value.toPrecision(2)) : value.toFixed(1)} %`;
    },
    received(layer) {
      if (layer === null) return mean;
      const [received, uniform] = [data.received[layer], uniformRows[layer]];
      return received && uniform ? { received, uniform } : null;
    },
    end: (received) =>
      data.picture || data.frames ? placed.reduce((most, s) => Math.max(most, received[s]!), 0) || 1 : 1,
    token: (position) => `${position} ${data.tokens[position]?.text ?? ''}`,
    color: parts.viridis(),
    onResize(element, draw) {
      let width = -1;
      new ResizeObserver(() => {
        if (element.clientWidth === width) return;
        width = element.clientWidth;
        draw();
      }).observe(element);
      matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
    },
  };
  parts.map(shared);
  parts.strip(shared);
  parts.viewer(shared, parts.render, parts.axes);
  parts.picture(shared);
  parts.cross(shared);
  parts.spectrogram(shared);
}
