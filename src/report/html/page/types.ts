/** What the page's script reads. Texts are already escaped; the script only ever sets them as text. */
export interface PageData {
  layers: number;
  heads: number;
  /** One entry a position. */
  tokens: { text: string; about: string }[];
  /** Heat maps that can be chosen; a null row has no values. */
  maps: {
    title: string;
    about: string;
    values: (number[] | null)[];
    uniform: number[] | null;
    /** End of the colour scale. */
    most: number;
    /** Unit of the values; null for shares. */
    unit: string | null;
  }[];
  /** Words beside each layer of the map. */
  marks: string[];
  /** [L][S] */
  received: number[][];
  /** Different rows of the value under uniform attention, and which one each layer has. */
  uniform: { rows: number[][]; of: number[] };
  /** Positions of the sinks, the strongest first. */
  sinks: number[];
  /** `values` are deflated (raw) before base64. */
  patterns: { layer: number; head: number; T: number; values: string; sink?: string }[];
  start: { layer: number; head: number };
}

/** The selection that map, strip and pattern share. */
export interface Selection {
  layer: number;
  head: number;
  /** Whether the strip shows the layer selected or the mean over layers. */
  stripLayer: number | null;
  key: number | null;
  query: number | null;
  /** Under the pointer. */
  overKey: number | null;
  overQuery: number | null;
}

export interface Shared {
  data: PageData;
  selection: Selection;
  select(change: Partial<Selection>): void;
  onSelect(listener: (changed: Partial<Selection>) => void): void;
  find<T extends HTMLElement>(id: string): T;
  make<K extends keyof HTMLElementTagNameMap>(tag: K, text?: string): HTMLElementTagNameMap[K];
  percent(share: number): string;
  /** `17 "·the"` */
  token(position: number): string;
  /** Red, green and blue of a share in [0, 1] in viridis. */
  color(share: number): [number, number, number];
  /** Calls `draw` when the element's width or the colour scheme changes, and once at first. */
  onResize(element: HTMLElement, draw: () => void): void;
}
