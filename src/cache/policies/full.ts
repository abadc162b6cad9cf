import { uniformLayout } from '../layout.ts';
import type { CachePolicy } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { checkSizes } from '../policy-sizes.ts';

/** Entries that are added at a time: empty ones take time as well. */
const growth = 256;

/** Keeps everything, until the room for `capacity` tokens is used up: the reference that every policy is measured against. */
export function full({ capacity }: { readonly capacity: number }): CachePolicy {
  checkSizes('full', 1, { capacity });
  return {
    name: `full: ${capacity}`,
    source: '1706.03762',
    keeps: 'every token of the text',
    decides: 'never; it ends when the room is used up',
    positions: 'absolute',
    layout: ({ L }) => uniformLayout(L, { pinned: 0, entries: Math.min(capacity, growth) }),
    grows: growth,
    most: capacity,
  };
}

export const policyFile: PolicyFile = {
  name: 'full',
  title: 'Full cache',
  source: '1706.03762',
  idea: 'Every key and value is kept. Memory and time per token grow with the text, which ends when the room is used up.',
  make: ({ capacity }) => full({ capacity }),
};
