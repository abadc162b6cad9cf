/**
 * The result of a scan as data. Terminal, HTML and JSON are views of it; `scan.schema.ts` checks the same shape in untrusted files.
 * Layers, heads, positions and dimensions count from 0. Attention values lie in [0, 1]; rates are shares in [0, 1].
 */

/** [L][H]: one number for each layer and query head. */
export type HeadMap = number[][];

export type TokenRole = 'bos' | 'first' | 'template' | 'special' | 'text';
export type TokenClass = 'space' | 'newline' | 'digit' | 'punctuation' | 'letter' | 'byte' | 'other';

export interface TokenInfo {
  position: number;
  id: number;
  /** The text of this token alone; untrusted, may hold any code point. */
  text: string;
  role: TokenRole;
  class: TokenClass;
}

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

/** Per-layer figures of the page. All arrays have one entry a layer. */
export interface LayerCurves {
  /** The three largest |residual| entries after each block, and the median: m1, m2, m3, median. */
  largest: [number, number, number][];
  median: number[];
  /** L2 norms after each block: at the top sink, and the mean over the other tokens. */
  residualNorm: { sink: number[]; others: number[] };
  /** Norms per layer, mean over heads. */
  queryNorm: { sink: number[]; others: number[] };
  keyNorm: { sink: number[]; others: number[] };
  valueNorm: { sink: number[]; others: number[] };
  /** Mean cosine between the queries and the key of the top sink / of other visible keys (after RoPE), mean over heads. */
  cosine: { sink: number[]; others: number[] };
  /** Entropy of attention rows in nats, mean over heads and queries; and its value under uniform attention. */
  entropy: number[];
  uniformEntropy: number[];
}

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
    curves: LayerCurves;
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
