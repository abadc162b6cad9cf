import { uniformLayout } from '../layout.ts';
import type { CachePolicy, PositionRule } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { besideSinks, checkSizes } from '../policy-sizes.ts';

export interface MiddleTokensOptions {
  /** Tokens of the middle that stay for ever. Default 4. */
  readonly middle?: number;
  /** Most recent tokens beside them. Default 252. */
  readonly recent?: number;
  /** Index in the text of the first that stays. Default middle + recent: the first tokens that come when the cache is full. */
  readonly from?: number;
  /** Default `cache-relative`, as StreamingLLM. */
  readonly positions?: PositionRule;
}

/**
 * A negative control, no method: StreamingLLM's cache with a few tokens of the middle of the text in place of the first ones, from when
 * they come. If any tokens that stay would do as sinks, it would rescue a sliding window. Always middle + recent entries: until they
 * come, there are more recent ones. After 2309.17453.
 *
 * Throws an InputError for sizes that are no whole numbers, or a cache without recent tokens.
 */
export function middleTokens({
  middle = 4,
  recent = 252,
  from = middle + recent,
  positions = 'cache-relative',
}: MiddleTokensOptions = {}): CachePolicy {
  checkSizes('middle-tokens', 0, { middle, from });
  checkSizes('middle-tokens', 1, { recent });
  const capacity = middle + recent;
  const stays = (token: number) => token >= from && token < from + middle;
  return {
    name: `middle-tokens: ${middle} from ${from}, + ${recent}`,
    source: '2309.17453',
    keeps: `tokens ${from} to ${from + middle - 1} in place of the first ${middle}, and the last ${recent}: a control`,
    decides: 'after every token',
    positions,
    layout: ({ L }) => uniformLayout(L, { pinned: 0, entries: capacity }),
    keep: ({ tokens }) => {
      if (tokens.length <= capacity) return undefined;
      let leaving = tokens.length - capacity;
      return tokens.flatMap((token, rank) => (!stays(token) && leaving-- > 0 ? [] : [rank]));
    },
  };
}

export const policyFile: PolicyFile = {
  name: 'middle-tokens',
  title: 'Middle tokens (control)',
  source: '2309.17453',
  idea: 'A negative control: four tokens of the middle of the text stay in place of the first four. They are no sinks and rescue nothing.',
  make: ({ capacity, sinks = 4, positions }) =>
    middleTokens({
      ...{ middle: sinks, recent: besideSinks('middle-tokens', capacity, sinks) },
      ...(positions ? { positions } : {}),
    }),
};
