/**
 * The result of a scan as data. Terminal, HTML and JSON are views of it; `scan.schema.ts` checks the same shape in untrusted files.
 * Layers, heads, positions and dimensions count from 0. Attention values lie in [0, 1]; rates are shares in [0, 1].
 */

import type { TokenInfo } from '../load/token-roles.ts';

export type { TokenClass, TokenInfo, TokenRole } from '../load/token-roles.ts';

/** [L][H]: one number for each layer and query head. */
export type HeadMap = number[][];

export interface ModelInfo {
  source: string;
  family: string;
  layers: number;
  heads: number;
  keyValueHeads: number;
  headWidth: number;
  modelWidth: number;
  vocabulary: number;
  parameters: number;
  /** Sliding window in tokens (a query sees itself and window − 1 before it), null for full attention; one entry a layer. */
  windows: (number | null)[];
  /** Layers with a learned sink column. */
  learnedSinks: number[];
  provenance: {
    format: string;
    revision?: string;
    dtypes: string[];
    ropePairing: string;
    files: { name: string; bytes: number; sha256: string }[];
  };
}

/** A mean over n texts with the standard deviation between texts. */
export interface Spread {
  mean: number;
  deviation: number;
  n: number;
}

/** Gu et al., 2410.10781: share of heads whose mean attention to a key is above epsilon, beside the same under uniform attention. */
export interface SinkRate {
  epsilon: number;
  /** Sink rate of key 0; its column mean counts row 0, as the paper does. */
  rate: Spread;
  /** The rate that uniform attention over the visible keys would have in the same texts and layers. */
  uniform: number;
}

export interface SinkToken extends TokenInfo {
  /** Queries that can see this key in a full-attention layer. */
  queries: number;
  /** Mean attention received from the queries that see it, without its own row 0, over layers and heads. */
  received: number;
  /** `received` minus its value under uniform attention. */
  excess: number;
  kind: 'primary' | 'secondary' | 'attention only';
  /** First and last layer in which its excess stands out (received > epsilon in some head). */
  firstLayer: number;
  lastLayer: number;
  /** |cosine| to the primary sink's residual, its largest over the layers of the primary's window; absent without a primary. */
  cosine?: number;
}

export interface MassiveActivation {
  layer: number;
  position: number;
  dimension: number;
  value: number;
  /** |value| / median of |residual| over all entries of that layer. */
  ratio: number;
  /** Both criteria of Sun et al., 2402.17762 (above 100 and 1000 × the median) hold; otherwise it is the largest of a borderline layer. */
  massive: boolean;
}

/** The residual of the page after each block: one entry a layer. */
export interface ResidualCurves {
  /** The three largest |entries|. */
  largest: [number, number, number][];
  /** Median of |entries|. */
  median: number[];
}

/** Where massive activations sit over the texts of the sink rate (Sun et al., 2402.17762). */
export interface MassivePlaces {
  texts: number;
  /** Texts with a massive activation in some layer. */
  carrying: number;
  /** Places that are the largest entry of a layer and massive, the most frequent first, and how many more there are. */
  places: {
    position: number;
    dimension: number;
    /** Texts with it. */
    texts: number;
    firstLayer: number;
    lastLayer: number;
    /** The largest over texts and layers, with its sign. */
    value: number;
  }[];
  more: number;
  /** Largest relative error of the medians, which come from a sketch. */
  medianError: number;
}

interface MeasuredTexts {
  /** Name of the measurement. */
  name: string;
  /** arXiv id. */
  source: string;
  title: string;
  about: string;
  /** The quantity with its unit. */
  quantity: string;
  /** [L] the value under uniform attention, or a sentence: why there is none. */
  baseline: number[] | string;
}

/** A measurement that is shown as curves over layers, the one that matters first. */
export interface MeasuredCurves extends MeasuredTexts {
  kind: 'curves';
  log: boolean;
  series: { label: string; values: number[] }[];
}

/** A measurement that is shown as a map of layers × heads; null for layers without values. */
export interface MeasuredMap extends MeasuredTexts {
  kind: 'map';
  /** Values are shares in [0, 1]. */
  share: boolean;
  values: (number[] | null)[];
}

export type Measured = MeasuredCurves | MeasuredMap;

export interface Control {
  name: 'shuffled, first token kept' | 'shuffled, first token moved' | 'random initialisation' | 'weights permuted';
  /** What this control can and cannot tell, one sentence. */
  tells: string;
  rates: SinkRate[];
  /** Mean attention received by key 0 without row 0, [L][H]. */
  received: HeadMap;
  /** Largest |residual| / median over layers. */
  largestRatio: number;
}

export interface PatternSample {
  layer: number;
  head: number;
  /** Rows are queries, columns keys; quantised to 0…255 of [0, 1], row-major T × T, base64. */
  T: number;
  values: string;
  /** Mass on the learned sink, one entry a query, quantised alike: T bytes, base64; absent where the layer has none. */
  sink?: string;
}

export interface ScanResult {
  schema: 'sinklab.scan/1';
  sinklab: string;
  /** ISO 8601. */
  date: string;
  run: { runtime: string; device: string; threads: number; seconds: number; peakBytes: number };
  model: ModelInfo;
  input: {
    /** How BOS was handled and the first ids that went in: many files add none, and it changes everything about a sink. */
    bos: 'auto' | 'add' | 'none';
    bosAdded: boolean;
    firstIds: number[];
    source: string;
    /** The protocol of the sink rate: `texts` texts of `tokens` tokens each; absent when one text was given. */
    protocol?: { texts: number; tokens: number };
    page: TokenInfo[];
  };
  /** From the protocol's texts when there are any, else from the page; one entry for each epsilon asked for, the first is the main one. */
  sinkRates: SinkRate[];
  /** The same, layers with a sliding window apart; absent when there are none. */
  sinkRatesWindow?: SinkRate[];
  /** Mean attention to key 0 counting row 0 (the card's alpha), from the same texts as sinkRates. */
  alpha: HeadMap;
  /** Mean attention to key 0 without row 0, and its value under uniform attention (one number a layer). */
  received: HeadMap;
  uniform: number[];
  /** Massive activations over the same texts; absent when one text was given. */
  massiveTexts?: MassivePlaces;
  page: {
    /** [L][S]: mean over heads of the mean attention each key received from the queries that see it, without row 0. */
    received: number[][];
    /** [L][S]: the same under uniform attention. */
    uniform: number[][];
    /** [L][H]: mean attention of the page to its top sink, without row 0. */
    topSink: HeadMap;
    sinks: SinkToken[];
    massive: MassiveActivation[];
    /** Layer whose block writes the first massive activation and layer whose block erases the last; null when there are none. */
    written: number | null;
    erased: number | null;
    curves: ResidualCurves;
    /** Every measurement that declares how it is shown, in the order of its name. */
    measured: Measured[];
    /** Mean mass on the learned sink, [L][H]; null rows for layers without one. */
    learnedSink?: (number[] | null)[];
    patterns: PatternSample[];
  };
  controls: Control[];
  /** Why nothing is announced, or other things a reader must know. */
  notes: string[];
  /** The few sentences that matter, in plain words. */
  summary: string[];
}
