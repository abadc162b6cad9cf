import { InputError } from '../../error.ts';
import { largest, ranksOf } from '../largest.ts';
import { layerwiseLayout } from '../layout.ts';
import type { CachePolicy, PositionRule } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { checkProtected, checkSizes } from '../policy-sizes.ts';

export interface SnapKvOptions {
  /** Last tokens of the prompt, whose queries vote and which stay. Default 32. */
  readonly window?: number;
  /** Entries of every head after the prompt, the window included. Default 2048. */
  readonly capacity?: number;
  /** Neighbouring tokens whose votes are pooled, odd. Default 5. */
  readonly kernel?: number;
  /** Default `average`; the paper's LongBench settings take `maximum` with a kernel of 7. */
  readonly pooling?: 'average' | 'maximum';
  /** Room for tokens that come after the prompt: none of them is evicted. Default 1024. */
  readonly generated?: number;
  /** Default `absolute`, as published. */
  readonly positions?: PositionRule;
  /** Indices in the text of tokens that always stay; they count towards the capacity. Default none. */
  readonly protect?: readonly number[];
}

/**
 * SnapKV, 2404.14469: reads the prompt whole and decides once, at its end. In every head the last `window` queries vote with their
 * attention weights for the tokens before them; votes are pooled over neighbours; the capacity − window largest stay, with the window.
 * Query heads of a group share entries: their votes are averaged. Shorter prompts stay as they are. A further prompt decides again, over
 * what is kept by then.
 *
 * Throws an InputError for sizes that are no whole numbers, an even kernel, or a capacity without room beside the window.
 */
export function snapKv({
  window = 32,
  capacity = 2048,
  kernel = 5,
  pooling = 'average',
  generated = 1024,
  positions = 'absolute',
  protect = [],
}: SnapKvOptions = {}): CachePolicy {
  checkSizes('snapkv', 1, { window, capacity, kernel });
  checkSizes('snapkv', 0, { generated });
  if (kernel % 2 === 0) throw new InputError(`snapkv: expected kernel to be odd, got ${kernel}`);
  if (capacity <= window)
    throw new InputError(
      `snapkv: a capacity of ${capacity} has no room beside a window of ${window}; expected a capacity of at least ${window + 1}, or a smaller window`,
    );
  const stay = checkProtected('snapkv', protect, capacity - window);
  return {
    name: `snapkv: ${capacity - window} + ${window}`,
    source: '2404.14469',
    keeps: `in every head, the ${capacity - window} tokens of a prompt that its last ${window} queries vote for, those ${window}, and all that follow`,
    decides: 'once, at the end of a prompt',
    positions,
    layout: ({ L, G }) => layerwiseLayout(L, { pinned: 0, entries: capacity + generated, heads: G }),
    weighs: { ofPrompt: window },
    prompt: 'whole',
    keep: ({ tokens, sums, promptEnd }) => {
      if (!promptEnd || tokens.length <= capacity) return undefined;
      const before = tokens.length - window;
      const votes = pooled(sums.subarray(0, before), kernel, pooling);
      const kept = largest(votes, capacity - window, before, ranksOf(tokens, stay));
      return kept.concat(Array.from({ length: window }, (_, i) => before + i));
    },
  };
}

/** Votes pooled over `kernel` neighbours, stride 1, same length. Past the ends an average counts zeros; a maximum looks at nothing. */
export function pooled(votes: Float64Array, kernel: number, pooling: 'average' | 'maximum'): Float64Array {
  const half = (kernel - 1) / 2;
  return votes.map((_, at) => {
    const near = votes.subarray(Math.max(0, at - half), at + half + 1);
    return pooling === 'maximum' ? Math.max(...near) : near.reduce((a, b) => a + b, 0) / kernel;
  });
}

export const policyFile: PolicyFile = {
  name: 'snapkv',
  title: 'SnapKV',
  source: '2404.14469',
  idea: 'The last queries of a prompt vote which of its tokens stay, once; what is generated afterwards is never evicted.',
  make: ({ capacity, longest, positions, protect }) => {
    checkSizes('snapkv', 2, { capacity });
    return snapKv({
      // The paper's window, or half of a cache that is smaller.
      ...{ capacity, window: Math.min(32, Math.floor(capacity / 2)) },
      ...(longest === undefined ? {} : { generated: Math.max(0, longest - capacity) }),
      ...(positions ? { positions } : {}),
      ...(protect ? { protect } : {}),
    });
  },
};
