import type { AttentionLayer } from '../attention/layer.ts';
import type { RowSums } from '../attention/mechanism.ts';
import type { Stream } from '../attention/steps.ts';
import type { Tensor } from '../tensor/index.ts';
import type { BlockTap } from './hooks.ts';

/** What the encoder gave, for blocks that look at it. */
export interface Memory {
  readonly x: Tensor<'B' | 'S' | 'M'>;
  /** False where it is padding; absent without padding. */
  readonly real?: Tensor<'B' | 'S'>;
}

/** One block in three parts, so that keys and values can be made once and queries come in chunks. */
export interface Block {
  readonly attention: AttentionLayer;
  /** From the residual stream to what attention is given. */
  before(x: Stream, hook: BlockTap): Stream;
  /**
   * Residuals, attention to the memory where there is one, and feed-forward, from the stream and what attention gave back; `ids` of the tokens
   * where the block reads them.
   */
  after(x: Stream, attention: Stream, hook: BlockTap, memory?: Memory, ids?: Tensor<'B' | 'T'>): Stream;
  /** Tokens of each compressed entry that queries see beside the keys (`attn.hook_compressed`). Default: they see none. */
  readonly tokensPerEntry?: number;
  /** Keys, or compressed entries where there are any, that each query chooses by `attn.hook_index_scores`. Default: all. */
  readonly choosesKeys?: number;
  /** Its feed-forward part looks up token ids (experts chosen by a table). Default false. */
  readonly readsIds?: boolean;
  /** Index of an earlier block whose attention was given what this one's is given too (a choice of keys that several layers share). */
  readonly looksBackTo?: number;
  /** Sliding window in tokens: |i − k| < window. Undefined for full attention. */
  readonly window?: number;
  /** Key/value heads of this block, where they are not the stack's G. */
  readonly keyValueHeads?: number;
  readonly learnedSink: boolean;
  /** What the rows of the pattern and the sink sum to: `any` in linear attention, `none` where there is no pattern. Default `one`. */
  readonly rows?: RowSums;
  /** The family's own code hands out weights before the sink takes its share, in rows that sum to one; references of it hold those. */
  readonly rowsBeforeSink?: boolean;
}
