import { largest, ranksOf } from '../largest.ts';
import { layerwiseLayout } from '../layout.ts';
import type { CachePolicy, PositionRule } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { checkProtected, checkSizes } from '../policy-sizes.ts';

export interface H2oOptions {
  /** Entries with the most attention, of those that are not recent. Default 48, as in the paper's streaming demonstration. */
  readonly heavy?: number;
  /** Most recent tokens. Default 2000, as there. */
  readonly recent?: number;
  /**
   * `none`: sums of attention, as published; early entries have collected more terms. `count`: divided by the number of queries since the
   * entry came. Default `none`.
   */
  readonly normalise?: 'none' | 'count';
  /** Default `absolute`; the paper's streaming version is `cache-relative`. */
  readonly positions?: PositionRule;
  /** `whole` is the paper's, and takes memory for the whole prompt; `one by one` evicts as generated tokens do. Default `one by one`. */
  readonly prompt?: 'whole' | 'one by one';
  /** Indices in the text of tokens that always stay; they count as heavy. Default none. */
  readonly protect?: readonly number[];
}

/**
 * H2O, 2306.14048: per head, the `recent` last tokens and, of the others, the `heavy` ones that received most attention since they came,
 * Σ over queries of the softmax weight, its own query included. Query heads of a group share entries: their weights are averaged.
 *
 * Throws an InputError for sizes that are no whole numbers or sum to nothing, or more protected tokens than `heavy`.
 */
export function h2o({
  heavy = 48,
  recent = 2000,
  normalise = 'none',
  positions = 'absolute',
  prompt = 'one by one',
  protect = [],
}: H2oOptions = {}): CachePolicy {
  checkSizes('h2o', 0, { heavy, recent });
  const capacity = heavy + recent;
  checkSizes('h2o', 1, { 'heavy + recent': capacity });
  const stay = checkProtected('h2o', protect, heavy);
  return {
    name: `h2o: ${heavy} heavy + ${recent}`,
    source: '2306.14048',
    keeps: `in every head, the ${heavy} tokens with most attention${normalise === 'count' ? ' per query' : ''} and the last ${recent}`,
    decides: prompt === 'whole' ? 'at the end of the prompt, then after every token' : 'after every token',
    positions,
    layout: ({ L, G }) => layerwiseLayout(L, { pinned: 0, entries: capacity, heads: G }),
    weighs: 'all',
    prompt,
    keep: ({ tokens, sums, next }) => {
      if (tokens.length <= capacity) return undefined;
      const older = tokens.length - recent;
      const scores = normalise === 'count' ? sums.map((sum, rank) => sum / (next - tokens[rank]!)) : sums;
      const kept = largest(scores, heavy, older, ranksOf(tokens, stay));
      return kept.concat(Array.from({ length: recent }, (_, i) => older + i));
    },
  };
}

/** Budgets as the paper's simulations have them: shares of the length of the prompt, rounded down. Defaults 0.1 and 0.1. */
export function h2oBudgets(
  promptLength: number,
  { heavy = 0.1, recent = 0.1 }: { readonly heavy?: number; readonly recent?: number } = {},
): { readonly heavy: number; readonly recent: number } {
  return { heavy: Math.floor(heavy * promptLength), recent: Math.floor(recent * promptLength) };
}

export const policyFile: PolicyFile = {
  name: 'h2o',
  title: 'H2O',
  source: '2306.14048',
  idea: 'Tokens that have received most attention so far stay beside the recent ones, in every head its own; the sink is among them by itself.',
  make: ({ capacity, positions, prompt, protect }) => {
    checkSizes('h2o', 1, { capacity });
    const heavy = Math.floor(capacity / 2);
    return h2o({
      ...{ heavy, recent: capacity - heavy },
      ...(positions ? { positions } : {}),
      ...(prompt ? { prompt } : {}),
      ...(protect ? { protect } : {}),
    });
  },
};
