/** What the page's script reads. Texts are already escaped; the script only ever sets them as text. */
export interface PageData {
  layers: number;
  heads: number;
  /** Whether queries see no keys after them. */
  causal: boolean;
  /** Whether positions are frames of a sound. */
  frames: boolean;
  /** One entry a position: a patch with its place in the picture; `beside` for class token and registers, whose shares are listed. */
  tokens: { text: string; about: string; patch?: { row: number; column: number }; beside?: boolean }[];
  /** Heat maps that can be chosen; a null row has no values. */
  maps: {
    title: string;
    about: string;
    values: (number[] | null)[];
    uniform: (number | null)[] | null;
    /** End of the colour scale. */
    most: number;
    /** Why a row has no values. */
    none: string;
    /** Unit of the values; null for shares. */
    unit: string | null;
  }[];
  /** Words beside each layer of the map. */
  marks: string[];
  /** [L][S]; null for layers without a pattern. */
  received: (number[] | null)[];
  /** Different rows of the value under uniform attention, and which one each layer has; null for none. */
  uniform: { rows: number[][]; of: (number | null)[] };
  /** Positions of the sinks, the strongest first. */
  sinks: number[];
  /** Positions of tokens of high norm. */
  highNorm: number[];
  /** `values` are deflated (raw) before base64. */
  patterns: { layer: number; head: number; T: number; values: string; sink?: string }[];
  start: { layer: number; head: number };
  /** The picture with its patches, deflated (raw) red, green and blue; null where there is none. */
  picture: { width: number; height: number; rows: number; columns: number; rgb: string } | null;
  /** Attention to what an encoder gave; null where there is none. Values as those of `patterns`, T × S. */
  cross: {
    keys: { text: string; about: string }[];
    top: number;
    /** [S] mean over layers, heads and queries. */
    received: number[];
    patterns: { layer: number; head: number; T: number; S: number; values: string }[];
    start: { layer: number; head: number };
  } | null;
  /** The sound, frequencies from low to high, deflated (raw); seconds of the whole and of the sound in it; positions of the stream. Null where there is none. */
  spectrogram: {
    bins: number;
    columns: number;
    seconds: number;
    sound: number;
    frames: number;
    values: string;
  } | null;
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
  /** Position of the memory that is read out. */
  memory: number | null;
}

export interface Shared {
  data: PageData;
  selection: Selection;
  select(change: Partial<Selection>): void;
  onSelect(listener: (changed: Partial<Selection>) => void): void;
  find<T extends HTMLElement>(id: string): T;
  make<K extends keyof HTMLElementTagNameMap>(tag: K, text?: string): HTMLElementTagNameMap[K];
  percent(share: number): string;
  /** [S] attention received, in a layer or on the mean over those that have a pattern, and under uniform attention; null for layers without. */
  received(layer: number | null): { received: readonly number[]; uniform: readonly number[] } | null;
  /** Where the colours of a strip end: 1 for texts, the largest share of a patch or frame for pictures and sounds. */
  end(received: readonly number[]): number;
  /** `17 "·the"` */
  token(position: number): string;
  /** Red, green and blue of a share in [0, 1] in viridis. */
  color(share: number): [number, number, number];
  /** Calls `draw` when the element's width or the colour scheme changes, and once at first. */
  onResize(element: HTMLElement, draw: () => void): void;
}
