import { uniformLayout } from '../layout.ts';
import type { CachePolicy, PositionRule } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { checkSizes } from '../policy-sizes.ts';

export interface WindowOptions {
  /** Most recent tokens. Default 256. */
  readonly recent?: number;
  /** Default `cache-relative`, as the baseline of 2309.17453; what is kept has no gaps, so that RoPE sees the same distances under both. */
  readonly positions?: PositionRule;
}

/**
 * Sliding window: the `recent` last tokens and nothing else, so that the first ones leave, and with them the sinks. Eviction follows the
 * forward pass: a query sees up to `recent` entries and itself. 2004.05150; the failing baseline of 2309.17453.
 *
 * Throws an InputError where `recent` is no whole number from 1.
 */
export function slidingWindow({ recent = 256, positions = 'cache-relative' }: WindowOptions = {}): CachePolicy {
  checkSizes('window', 1, { recent });
  return {
    name: `window: ${recent}`,
    source: '2004.05150',
    keeps: `the last ${recent} tokens`,
    decides: 'after every token',
    positions,
    layout: ({ L }) => uniformLayout(L, { pinned: 0, entries: recent }),
    lastQuery: (token) => token + recent,
  };
}

export const policyFile: PolicyFile = {
  name: 'window',
  title: 'Sliding window',
  source: '2004.05150',
  idea: 'Only the most recent tokens stay. When the first ones leave, the attention that rested on them falls on the others.',
  make: ({ capacity, positions }) => slidingWindow({ recent: capacity, ...(positions ? { positions } : {}) }),
};
