import type { Tensor, Within } from '../tensor/index.ts';
import type { DecodingLayer } from './decoding.ts';
import type { AttentionLayer } from './layer.ts';
import type { Rotary } from './positions/rope.ts';
import type { HeadSizes } from './projections.ts';
import type { ScoreBias } from './steps.ts';

/** Where positions enter attention. Neither: positions are in the stream, or nowhere. */
export interface PositionInAttention {
  readonly rotary?: Rotary;
  readonly bias?: ScoreBias;
}

/** What a mechanism gives to training beside its result; absent when a model only runs. */
export interface TrainingTap {
  /** Adds a term to the loss, already weighted. */
  loss(term: Tensor<never>): void;
  /** After each update the stored tensor `name` holds this value (a running mean); it gets no gradient and no optimiser. */
  buffer(name: string, next: Within<string>): void;
}

/** The layer that a mechanism is built into. */
export interface MechanismSite {
  /** Full name of a stored tensor of the layer: `at('self_attn.q_proj')`. */
  readonly at: (name: string) => string;
  readonly sizes: HeadSizes;
  readonly position: PositionInAttention;
  /** T of training: constants that published code takes from the sequence length. */
  readonly context: number;
  /** Index of the layer from 0, and how many there are. */
  readonly layer: number;
  readonly layers: number;
  /** ε of the model's norms. */
  readonly epsilon: number;
  /** Sliding window in tokens. Default: all before. */
  readonly window?: number;
  readonly training?: TrainingTap;
}

/**
 * What the rows of `attn.hook_pattern` sum to: one; `part` of one, the rest lies on a null column or nowhere; `any` number, then sinks are
 * measured by the proxy |w| / Σ|w| (2410.10781); or there is no pattern at all.
 */
export type RowSums = 'one' | 'part' | 'any' | 'none';

/** One way to do attention: a replacement for the attention of a block, drop-in wherever a `Mechanism` is taken. */
export interface Mechanism {
  /** Name with its variant: `gated: sdpa-output, head-wise`. */
  readonly name: string;
  /** arXiv id. */
  readonly source: string;
  readonly rows: RowSums;
  attention(site: MechanismSite): AttentionLayer;
  /** One token at a time. Default: a cache of keys and values (`cachedDecoding`), where they depend on their own token alone. */
  readonly decoding?: (site: MechanismSite) => DecodingLayer;
  /** Initial value of a tensor of its own; undefined leaves it to the model. `name` is the full name. */
  readonly initial?: (
    name: string,
    shape: readonly number[],
    random: () => number,
  ) => Float32Array<ArrayBuffer> | undefined;
}

/** One variant for the comparison of all mechanisms. */
export interface MechanismVariant {
  readonly mechanism: () => Mechanism;
  /** What its card expects in the bigram-backcopy toy. `keeps`: a negative control, or a variant that keeps its sink. */
  readonly sink: 'gone' | 'keeps' | 'reduced' | 'moved' | 'open';
  /**
   * What is by design not so, and why: an output depends on no later token; token by token equals the whole text; the gradient is that of
   * finite differences.
   */
  readonly except?: { readonly causality?: string; readonly decoding?: string; readonly gradient?: string };
}

/** A publication. */
export interface Citation {
  /** `Qiu, Wang, Zheng, Huang et al.` */
  readonly authors: string;
  readonly title: string;
  readonly year: number;
  /** arXiv id, where there is one. */
  readonly arxiv?: string;
}

/** What a mechanism file exports for the catalogue. */
export interface MechanismFile {
  /** File name of its method card without `.md`. */
  readonly card: string;
  readonly title: string;
  readonly source: string;
  /** The idea, one or two sentences. */
  readonly idea: string;
  /** One line, as plain text. */
  readonly equation: string;
  /** One call of an export of `sinklab/attention`, with one option if it has any: `gated({ position: 'sdpa-output' })`. */
  readonly example: string;
  /** What the mechanisms are taken from, the main one first. */
  readonly citations: readonly Citation[];
  readonly variants: readonly MechanismVariant[];
}
