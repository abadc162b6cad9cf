import { z } from 'zod';
import { InputError } from '../error.ts';
import type { HeadMap, SinkRate } from './result.ts';
import { checkVisibility } from './visibility.ts';

/** What must be the same for sink rates to be averaged. */
export interface SinkRateProtocol {
  /** Real tokens of every text. Values at different lengths are not comparable and never merged. */
  readonly tokens: number;
  /** Keys of every text, where they are of another text (cross-attention). Default `tokens`. */
  readonly keys?: number;
  /** [L] sliding windows, null for full attention. A window of at least `tokens` acts as full attention. */
  readonly windows: readonly (number | null)[];
  /** H, query heads. */
  readonly heads: number;
  /** Thresholds in (0, 1), the main one first. Default [0.3]. */
  readonly epsilons?: readonly number[];
  /** Key k, counted from the first real token. Default 0. */
  readonly key?: number;
  /** Prefix length of the mask, see `Visibility`. Default 0. */
  readonly prefix?: number;
  /** Whether keys after a query are hidden from it, see `Visibility`. Default true. */
  readonly causal?: boolean;
  /** [L] numbers of these layers in the model, where layers without an attention pattern stand between them. Default 0 … L − 1. */
  readonly layers?: readonly number[];
}

export interface SinkRateText {
  readonly tokens: number;
  /** [L, H] Σ_i A_ik over every query that sees key k; use proxy scores where rows do not sum to at most one. */
  readonly columnSums: ArrayLike<number>;
  /**
   * [L, H] A_0k, the first query's attention to key k: 1 for k = 0 under plain softmax, less beside a learned sink, 0 for k > 0. Nothing is
   * left out of bidirectional attention: there it must not be above the sum, and is not read otherwise.
   */
  readonly firstRow: ArrayLike<number>;
}

export interface SinkRates {
  /** Layers with full attention at this length; all layers when every one has a narrower window. */
  sinkRates: SinkRate[];
  /** Layers with a window narrower than the text; absent when there are none. */
  sinkRatesWindow?: SinkRate[];
  /** All layers together, as the paper averages. */
  sinkRatesAll: SinkRate[];
  /** [L][H] mean of α_k over texts, and its value under uniform attention, [L]. */
  alpha: HeadMap;
  uniformAlpha: number[];
  /** [L][H] mean attention received, in causal attention without row 0, and its value under uniform attention, [L]. NaN where no query is left. */
  received: HeadMap;
  uniform: number[];
}

/** Fills in the defaults. Throws an InputError for values out of range. */
export function checkProtocol(protocol: SinkRateProtocol): Required<SinkRateProtocol> {
  const { tokens, windows, heads, epsilons = [0.3], key = 0, prefix = 0, causal = true, keys = tokens } = protocol;
  const layers = protocol.layers ?? windows.map((_, layer) => layer);
  if (windows.length === 0 || !(Number.isInteger(heads) && heads >= 1)) {
    throw new InputError(`sink rate: expected at least one layer and one head, got ${windows.length} and ${heads}`);
  }
  if (epsilons.length === 0) throw new InputError('sink rate: expected at least one epsilon');
  for (const epsilon of epsilons) {
    if (!(epsilon > 0 && epsilon < 1)) throw new InputError(`sink rate: epsilon must lie in (0, 1), got ${epsilon}`);
  }
  for (const window of windows) checkVisibility({ T: tokens, S: keys, window, prefix, causal });
  if (layers.length !== windows.length)
    throw new InputError(`sink rate: layers must number the ${windows.length} layers, got ${layers.length}`);
  if (!(Number.isInteger(key) && key >= 0 && key < keys)) {
    throw new InputError(`sink rate: key must be a position in 0…${keys - 1}, got ${key}`);
  }
  return { tokens, keys, windows, heads, epsilons, key, prefix, causal, layers };
}

export function checkSameLength(expected: number, came: number): void {
  if (expected === came) return;
  throw new InputError(
    `sink rate: texts of ${expected} and ${came} tokens cannot be merged, the rate depends on the length; measure them apart`,
  );
}

export function checkSameProtocol(mine: Required<SinkRateProtocol>, theirs: Required<SinkRateProtocol>): void {
  checkSameLength(mine.tokens, theirs.tokens);
  const [a, b] = [JSON.stringify(mine), JSON.stringify(theirs)];
  if (a !== b) throw new InputError(`sink rate: shards of different protocols cannot be merged: ${a} and ${b}`);
}

const count = z.int().min(0);
const counts = z.strictObject({ sum: z.array(count), squares: z.array(count) });

/** The sums of a shard as JSON, for sweeps over processes or machines. */
export const sinkRateJson = z.strictObject({
  protocol: z.strictObject({
    tokens: z.int().min(1),
    keys: z.exactOptional(z.int().min(1)),
    windows: z.array(z.int().min(1).nullable()).max(10_000),
    heads: z.int().min(1).max(10_000),
    epsilons: z.array(z.number()).max(1000),
    key: count,
    prefix: count,
    causal: z.exactOptional(z.boolean()),
    layers: z.exactOptional(z.array(count).max(10_000)),
  }),
  texts: count,
  /** [L, H] sums over texts. */
  alpha: z.array(z.number().min(0)),
  later: z.array(z.number().min(0)),
  above: z.strictObject({ full: counts, window: counts, all: counts }),
});

export type SinkRateJson = z.infer<typeof sinkRateJson>;
