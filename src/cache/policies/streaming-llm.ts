import { uniformLayout } from '../layout.ts';
import type { CachePolicy, PositionRule } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { besideSinks, checkSizes } from '../policy-sizes.ts';

export interface StreamingLlmOptions {
  /** Tokens at the start of the text that stay for ever. Default 4. */
  readonly sinks?: number;
  /** Most recent tokens. Default 252. */
  readonly recent?: number;
  /** Default `cache-relative`, as published. */
  readonly positions?: PositionRule;
}

/**
 * StreamingLLM, 2309.17453: the first `sinks` tokens and the `recent` last ones. Eviction follows the forward pass, so that a query sees up
 * to sinks + recent entries and itself; distances are counted in the cache.
 *
 * Throws an InputError for sizes that are no whole numbers, or a cache without recent tokens.
 */
export function streamingLlm({
  sinks = 4,
  recent = 252,
  positions = 'cache-relative',
}: StreamingLlmOptions = {}): CachePolicy {
  checkSizes('streaming-llm', 0, { sinks });
  checkSizes('streaming-llm', 1, { recent });
  return {
    name: `streaming-llm: ${sinks} + ${recent}`,
    source: '2309.17453',
    keeps: `the first ${sinks} tokens and the last ${recent}`,
    decides: 'after every token',
    positions,
    layout: ({ L }) => uniformLayout(L, { pinned: sinks, entries: recent }),
    lastQuery: (token) => (token < sinks ? Number.POSITIVE_INFINITY : token + recent),
  };
}

export const policyFile: PolicyFile = {
  name: 'streaming-llm',
  title: 'StreamingLLM',
  source: '2309.17453',
  idea: 'The first few tokens stay as attention sinks beside a window of recent ones, and positions are counted in the cache, so that a text never ends.',
  make: ({ capacity, sinks = 4, positions }) =>
    streamingLlm({
      ...{ sinks, recent: besideSinks('streaming-llm', capacity, sinks) },
      ...(positions ? { positions } : {}),
    }),
};
