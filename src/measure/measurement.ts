import type { Reductions } from '../models/layerwise.ts';
import type { StackSizes } from '../models/stack.ts';

/**
 * One measurement: what it reads, how it is reduced and merged, what it would be under uniform attention, and how it is shown. One file
 * a measurement in `measurements/`; the registry is generated from the files.
 */
export interface Measurement<Found = unknown> {
  /** Lower case with hyphens, as its file; unique. */
  readonly name: string;
  readonly title: string;
  /** arXiv id of the paper that defines or uses it. */
  readonly source: string;
  /** `texts`: the texts of one length that rates are averaged over. `page`: the one text to look at. */
  readonly over: 'texts' | 'page';
  /** What is reduced inside the graph, by name; every order starts with B. Two measurements may share a reduction under its name. */
  readonly reductions: Reductions;
  /** What is read of the values that the engine hands over anyway. What is not named here is empty. */
  readonly takes: readonly ('residual' | 'k' | 'v')[];
  collect(setting: Setting): Collector<Found>;
  /**
   * [L] the value under attention that is uniform over the keys each query may see, null for layers without a pattern; or a sentence: where it
   * stands instead, or why there is none.
   */
  readonly baseline: ((setting: Setting) => (number | null)[]) | string;
  /** The view of a result that is made for this measurement … */
  readonly view?: 'sink rate' | 'sink tokens' | 'massive activations' | 'learned sink';
  /** … or pictures that every view knows how to draw. Numbers must be finite. */
  pictures?(found: Found, page: PageContext): Picture[];
}

/** What all texts of one measurement share. */
export interface Setting {
  /** Tokens of every text, T. Texts of another length are measured apart and never merged. */
  readonly tokens: number;
  /** Keys S where they are of another text (cross-attention). Default T. */
  readonly keys?: number;
  /** M is the width of the residual, of all its streams where there are several. */
  readonly sizes: Pick<StackSizes, 'L' | 'H' | 'G' | 'D' | 'M'>;
  /** [L] sliding windows, null for full attention. */
  readonly windows: readonly (number | null)[];
  /** Whether keys after a query are hidden from it. Default true; false for encoders and cross-attention. */
  readonly causal?: boolean;
  /** [L] whether a layer has an attention pattern; one that reads a state has none. Default: every layer. */
  readonly hasPattern?: readonly boolean[];
  /** Thresholds above which a head has a sink, the main one first. */
  readonly epsilons: readonly number[];
}

/** One text in one layer. Arrays are valid until `add` returns. */
export interface TextLayer {
  /** Index of the text. */
  readonly text: number;
  readonly layer: number;
  /** Reductions by name, float64, in their order without B; absent where a layer has no such hook point or no pattern. */
  readonly reduced: Readonly<Record<string, Float64Array>>;
  /** [T, M] residual stream after the block. */
  readonly residual: Float32Array;
  /** [S, G, D] keys after RoPE, and values, with the heads of this layer; values may have a width of their own. Empty where it has no pattern. */
  readonly k: Float32Array;
  readonly v: Float32Array;
}

export interface Collector<Found> {
  /** Layers come in order, and in each layer the texts. */
  add(part: TextLayer): void;
  /**
   * Adds what a collector of the same setting saw of other texts: exact for counts, to double precision for sums; throws an InputError for
   * texts of another length. Absent where figures of different texts do not belong together (those of single keys).
   */
  merge?(other: this): void;
  finish(): Found;
}

/** What pictures may depend on beside their own figures. */
export interface PageContext {
  readonly setting: Setting;
  /** Position of the strongest sink of the page. */
  readonly top: number;
}

/** A picture that terminal, page and JSON know; name, source and baseline are added from the measurement. */
export type Picture = CurvesPicture | MapPicture;

interface PictureTexts {
  /** Default: the measurement's. */
  readonly title?: string;
  /** What it shows and over what it is a mean, one sentence. */
  readonly about: string;
  /** The quantity with its unit. */
  readonly quantity: string;
}

export interface CurvesPicture extends PictureTexts {
  readonly kind: 'curves';
  /** A logarithmic axis suits it. */
  readonly log: boolean;
  /** [L] each, the one that matters first; null for a layer without a value. */
  readonly series: { readonly label: string; readonly values: (number | null)[] }[];
}

export interface MapPicture extends PictureTexts {
  readonly kind: 'map';
  /** Values are shares in [0, 1], shown as percentages. */
  readonly share: boolean;
  /** [L][H]; null for a layer without values. */
  readonly values: (number[] | null)[];
}
