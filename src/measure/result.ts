/**
 * The result of a scan as data. Terminal, HTML and JSON are views of it; `scan.schema.ts` checks the same shape in untrusted files.
 * Layers, heads, positions and dimensions count from 0. Attention values lie in [0, 1]; rates are shares in [0, 1].
 */

import type { TokenInfo } from '../load/token-roles.ts';

export type { TokenClass, TokenInfo, TokenRole } from '../load/token-roles.ts';

/** [L][H]: one number for each layer and query head; null for a layer without an attention pattern (one that reads a state). */
export type HeadMap = (number[] | null)[];

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
  /** Sliding window in tokens (a query sees itself and window − 1 before it, bidirectional also as many after it), null for full attention; one entry a layer. */
  windows: (number | null)[];
  /** Layers with a learned sink column. */
  learnedSinks: number[];
  /** False where queries see the keys after them too (encoders); absent where they do not. */
  causal?: boolean;
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
  /** Sink rate of key 0 over the heads that have a pattern; its column mean counts row 0, as the paper does. */
  rate: Spread;
  /** The rate that uniform attention over the visible keys would have in the same texts and layers. */
  uniform: number;
}

export interface SinkToken extends TokenInfo {
  /** Queries that can see this key in a full-attention layer. */
  queries: number;
  /** Mean attention received from the queries that see it, in causal attention without row 0, over layers and heads. */
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

/** A token of high norm, an outlier (Darcet et al., 2309.16588; criterion of Jiang et al., 2506.08010). */
export interface HighNormToken extends TokenInfo {
  /** First and last layer after which it stands out, and the layer of `norm`. */
  firstLayer: number;
  lastLayer: number;
  layer: number;
  /** ‖h_t‖ where it is the largest multiple of the median over the ordinary tokens, and that multiple. */
  norm: number;
  ratio: number;
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
  /** [L] the value under uniform attention, null for a layer without a pattern; or a sentence: why there is none. */
  baseline: (number | null)[] | string;
}

/** A measurement that is shown as curves over layers, the one that matters first; null for layers without values. */
export interface MeasuredCurves extends MeasuredTexts {
  kind: 'curves';
  log: boolean;
  series: { label: string; values: (number | null)[] }[];
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
  /** Mean attention received by key 0, in causal attention without row 0, [L][H]. */
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

/** Cross-attention in one head, quantised as `PatternSample`: the first T queries of the page, all S keys of the memory, row-major. */
export interface CrossPattern {
  layer: number;
  head: number;
  T: number;
  S: number;
  values: string;
}

/** Attention of a decoder to what an encoder gave (the memory), over the page. Uniform attention gives every key 1 / S. */
export interface CrossAttention {
  /** What each position of the memory is, [S]. */
  keys: TokenInfo[];
  /** [L][S] mean over heads and all queries of the page; null for layers that do not look at the memory. */
  received: (number[] | null)[];
  /** Position of the key that receives most. */
  top: number;
  /** [L][H] mean attention to that key. */
  topKey: HeadMap;
  sinks: SinkToken[];
  measured: Measured[];
  patterns: CrossPattern[];
}

/** A small copy of a picture: red, green and blue of each pixel in 0 to 255, rows from top to bottom, base64. */
export interface PicturePreview {
  width: number;
  height: number;
  rgb: string;
}

/** A small copy of a sound's spectrogram, quantised to 0…255: rows are frequencies from low to high, columns time; base64. */
export interface SpectrogramPreview {
  bins: number;
  columns: number;
  /** Seconds of one column. */
  columnSeconds: number;
  /** Seconds of sound; what follows is the silence that fills the model's input up. */
  soundSeconds: number;
  values: string;
}

/** What rounding the weights changed: a scan of them as stored beside this one, of the same texts. */
export interface RoundingChange {
  /** Bits that matrices were rounded to, in blocks of 32. */
  weights: 'int8' | 'int4';
  figures: { name: string; unit: 'share' | 'number'; stored: number | null; rounded: number | null }[];
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
    /** The picture as the model reads it, where the page is one. */
    picture?: PicturePreview;
    /** The sound as the model reads it, where the page is one or looks at one. */
    spectrogram?: SpectrogramPreview;
  };
  /** From the protocol's texts when there are any, else from the page; one entry for each epsilon asked for, the first is the main one. */
  sinkRates: SinkRate[];
  /** The same, layers with a sliding window apart; absent when there are none. */
  sinkRatesWindow?: SinkRate[];
  /** Mean attention to key 0 counting row 0 (the card's alpha), from the same texts as sinkRates. */
  alpha: HeadMap;
  /** Mean attention to key 0, in causal attention without row 0, and its value under uniform attention (one number a layer). */
  received: HeadMap;
  uniform: (number | null)[];
  /** Massive activations over the same texts; absent when one text was given. */
  massiveTexts?: MassivePlaces;
  page: {
    /** [L][S]: mean over heads of the mean attention each key received from the queries that see it, in causal attention without row 0. */
    received: (number[] | null)[];
    /** [L][S]: the same under uniform attention. */
    uniform: (number[] | null)[];
    /** [L][H]: mean attention of the page to its top sink, in causal attention without row 0. */
    topSink: HeadMap;
    sinks: SinkToken[];
    /** Tokens whose residual is far longer than that of the others, the longest first; looked for in bidirectional attention only. */
    highNorm?: HighNormToken[];
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
    /** Only where a decoder looks at what an encoder gave. */
    cross?: CrossAttention;
  };
  /** Where the weights were rounded for this scan. */
  rounding?: RoundingChange;
  controls: Control[];
  /** Why nothing is announced, or other things a reader must know. */
  notes: string[];
  /** The few sentences that matter, in plain words. */
  summary: string[];
}
