import type { DecoderSizes } from '../models/decoder.ts';
import type { CacheLayout } from './layout.ts';

/**
 * What position an entry has for the queries after it. `absolute`: the one it had in the text. `cache-relative`: its place among what is
 * kept, so that evicted entries leave no gap and no distance exceeds the cache (2309.17453).
 */
export type PositionRule = 'absolute' | 'cache-relative';
export const positionRules: readonly PositionRule[] = ['absolute', 'cache-relative'];

/** Entries of one layer, or of one head of it, after a step; new ones last. Ranks count from the oldest. */
export interface Entries {
  readonly table: number;
  /** Key/value head; undefined where the heads of a layer keep the same tokens. */
  readonly head: number | undefined;
  /** Index in the text of each entry, ascending unless the policy has put them in another order. Pinned ones are not among them. */
  readonly tokens: readonly number[];
  /** Attention that each received in this step, as `weighs` says: mean over the query heads that read it. Empty where nothing is weighed. */
  readonly received: Float64Array;
  /** Sum of `received` since the entry came. */
  readonly sums: Float64Array;
  /** Index in the text of the token to come. */
  readonly next: number;
  /** Was this the last step of a prompt? */
  readonly promptEnd: boolean;
  /**
   * Value vector of an entry, [D], as it lies in memory: to be read while the policy decides, not kept. Where heads share entries, that of
   * the first; where layers do, of the first.
   */
  readonly value: (rank: number) => Float32Array;
  /** Entries of all key/value heads of the layer, in order, these among them, before any is evicted; these alone where layers share. */
  readonly layer: readonly Entries[];
}

/** Which entries a key/value cache keeps. */
export interface CachePolicy {
  /** Name with its sizes: `streaming-llm: 4 + 252`. */
  readonly name: string;
  /** arXiv id. */
  readonly source: string;
  /** What it keeps, in one sentence. */
  readonly keeps: string;
  /** When it decides, in one sentence. */
  readonly decides: string;
  readonly positions: PositionRule;
  layout(sizes: DecoderSizes): CacheLayout;
  /**
   * For policies that look at nothing but places: index of the last query that may see the token. Prompts of any length then go in chunks,
   * each query seeing exactly what it would see one by one. Default: for ever.
   */
  readonly lastQuery?: (token: number, table: number) => number;
  /** Queries whose attention is summed in `received`: all of a step; the last; or the last few of a prompt. Default: none. */
  readonly weighs?: 'all' | 'last' | { readonly ofPrompt: number };
  /**
   * For policies that look at attention, or at what tokens are: ranks that stay, in the order of the text or another one, which then is the
   * order of positions; new ones last. Undefined keeps all. Called after every step.
   */
  readonly keep?: (entries: Entries) => readonly number[] | undefined;
  /** How many more slots a table is given when its room is used up, up to `most` in all. Default none: the text ends there. */
  readonly grows?: number;
  readonly most?: number;
  /**
   * For policies with `keep` that evict between what stays, after which positions close up: how many of the next `wanted` tokens, from index
   * `start` of the text, may go in one step: up to the first that leads to an eviction. `tokens` are the entries before them. Default: as
   * many as there is room for.
   */
  readonly stepEnd?: (tokens: readonly number[], start: number, wanted: number) => number;
  /**
   * Prompts of policies with `keep`. `whole`: everything is kept until the prompt ends, which takes memory for all of it; `one by one`: as
   * generated tokens are. Default `one by one`.
   */
  readonly prompt?: 'whole' | 'one by one';
}
