import { largest, ranksOf } from '../largest.ts';
import { layerwiseLayout } from '../layout.ts';
import type { CachePolicy, PositionRule } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { checkProtected, checkSizes } from '../policy-sizes.ts';

export interface TovaOptions {
  /** Entries of every layer. Default 512. */
  readonly capacity?: number;
  /** Does the newest token stay whatever its weight? Default false, as published. */
  readonly keepNewest?: boolean;
  /** Default `absolute`, as published. */
  readonly positions?: PositionRule;
  /** `whole` is the paper's, and takes memory for the whole prompt; `one by one` evicts as generated tokens do. Default `one by one`. */
  readonly prompt?: 'whole' | 'one by one';
  /** Indices in the text of tokens that always stay; they count towards the capacity. Default none. */
  readonly protect?: readonly number[];
}

/**
 * TOVA, 2401.06104: per layer, the `capacity` tokens that the last query attended to most, its weights averaged over heads, itself
 * included. Nothing is summed over time, and neither first nor recent tokens are safe.
 *
 * Throws an InputError where the capacity is no whole number from 1, or has no room for what is protected.
 */
export function tova({
  capacity = 512,
  keepNewest = false,
  positions = 'absolute',
  prompt = 'one by one',
  protect = [],
}: TovaOptions = {}): CachePolicy {
  checkSizes('tova', 1, { capacity });
  const stay = checkProtected('tova', protect, capacity - (keepNewest ? 1 : 0));
  return {
    name: `tova: ${capacity}`,
    source: '2401.06104',
    keeps: `in every layer, the ${capacity} tokens that the last query attends to most`,
    decides: prompt === 'whole' ? 'at the end of the prompt, then after every token' : 'after every token',
    positions,
    layout: ({ L }) => layerwiseLayout(L, { pinned: 0, entries: capacity }),
    weighs: 'last',
    prompt,
    keep: ({ tokens, received }) => {
      if (tokens.length <= capacity) return undefined;
      const ranks = ranksOf(tokens, stay);
      return largest(received, capacity, tokens.length, keepNewest ? new Set([...ranks, tokens.length - 1]) : ranks);
    },
  };
}

export const policyFile: PolicyFile = {
  name: 'tova',
  title: 'TOVA',
  source: '2401.06104',
  idea: 'In every layer the token that the newest query attends to least goes; there is no window and no fixed sink.',
  make: ({ capacity, positions, prompt, protect }) =>
    tova({
      capacity,
      ...(positions ? { positions } : {}),
      ...(prompt ? { prompt } : {}),
      ...(protect ? { protect } : {}),
    }),
};
