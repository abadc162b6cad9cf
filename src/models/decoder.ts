import type { AttentionLayer } from '../attention/layer.ts';
import type { RowSums } from '../attention/mechanism.ts';
import type { Stream } from '../attention/steps.ts';
import type { Tensor, Within } from '../tensor/index.ts';
import type { BlockTap } from './hooks.ts';

/** One block in three parts, so that keys and values can be made once and queries come in chunks. */
export interface Block {
  readonly attention: AttentionLayer;
  /** From the residual stream to what attention is given. */
  before(x: Stream, hook: BlockTap): Stream;
  /** Residuals and feed-forward, from the stream and what attention gave back. */
  after(x: Stream, attention: Stream, hook: BlockTap): Stream;
  /** Sliding window in tokens; undefined for full attention. */
  readonly window?: number;
  /** Key/value heads of this block, where they are not the decoder's G. */
  readonly keyValueHeads?: number;
  readonly learnedSink: boolean;
  /** What the rows of the pattern and the sink sum to: `any` in linear attention, `none` where there is no pattern. Default `one`. */
  readonly rows?: RowSums;
  /** The family's own code hands out weights before the sink takes its share, in rows that sum to one; references of it hold those. */
  readonly rowsBeforeSink?: boolean;
}

/** Sizes of a decoder by axis letter. */
export interface DecoderSizes {
  readonly L: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
  readonly V: number;
  /** Longest text the positions were trained for. */
  readonly maxPositions: number;
}

/** A decoder: plain functions over symbolic tensors that ask for weights by their Hugging Face names. */
export interface Decoder {
  readonly family: string;
  readonly sizes: DecoderSizes;
  embed(ids: Tensor<'B' | 'T'>, positions: Within<'B' | 'T'>): Stream;
  /** Positions that `embed` can tell apart: the length of a learned table, Infinity for sinusoids; absent where it looks at none. */
  readonly embeddedPositions?: number;
  readonly blocks: readonly Block[];
  /** Final norm. */
  norm(x: Stream): Stream;
  unembed(x: Stream): Tensor<'B' | 'T' | 'V'>;
  /** Stored tensors that carry no parameters of the forward pass (tables that other software writes beside them). */
  readonly ignoredTensors?: RegExp;
  /** Tensors that a file may hold as a second copy of another, because they are tied. */
  readonly tiedTensors?: readonly string[];
  /** Stored value of a norm's weight before training: 0 where the family adds one to it. Default 1. */
  readonly freshNorm?: number;
  /** Values before training of tensors that ask for something of their own (a mechanism's); undefined leaves them to the rule for all. */
  readonly fresh?: (
    name: string,
    shape: readonly number[],
    random: () => number,
  ) => Float32Array<ArrayBuffer> | undefined;
}
