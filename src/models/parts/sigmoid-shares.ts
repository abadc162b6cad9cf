import {
  add,
  divide,
  merge,
  multiply,
  select,
  sigmoid,
  split,
  sum,
  takeAlong,
  topIds,
  topMask,
  weight,
} from '../../tensor/index.ts';
import type { Choice, Router } from './chosen-experts.ts';

export interface SigmoidSharesOptions {
  /** Number of experts, and how many each token uses. */
  readonly E: number;
  readonly chosen: number;
  /** Weight name of what is added to the scores for the choice alone. Default: nothing is. */
  readonly correction?: string;
  /** The experts are chosen from the best of several groups, by the sum of each group's two largest scores. Default: one group. */
  readonly groups?: { readonly count: number; readonly chosen: number };
  /** The shares of the chosen experts are scaled to sum to one. */
  readonly normed: boolean;
  /** Factor on the shares, after that. Default 1. */
  readonly scale?: number;
}

/** Shares by the sigmoid of each expert's logit, chosen by the score plus a correction that balances the load (DeepSeek-V3, 2412.19437). */
export function sigmoidShares(options: SigmoidSharesOptions): (logits: Router) => Choice {
  const { E, chosen, correction, groups, normed, scale = 1 } = options;
  return (logits) => {
    const scores = sigmoid(logits);
    const corrected = correction === undefined ? scores : add(scores, weight(correction, { E }));
    const open = groups && groups.count > groups.chosen ? onlyBestGroups(corrected, E, groups) : corrected;
    const experts = topIds(open, 'E', chosen, 'K');
    const kept = takeAlong(scores, experts, 'E');
    // The small number keeps scores that have all run to 0 from giving NaN.
    const shares = normed ? divide(kept, add(sum(kept, 'K'), 1e-20)) : kept;
    return { experts, shares: scale === 1 ? shares : multiply(shares, scale) };
  };
}

function onlyBestGroups(scores: Router, E: number, { count, chosen }: { count: number; chosen: number }): Router {
  const each = E / count;
  const grouped = split(scores, 'E', { N: count, J: each });
  const best = sum(select(topMask(grouped, 'J', Math.min(2, each)), grouped, 0), 'J');
  const open = select(topMask(best, 'N', chosen), grouped, Number.NEGATIVE_INFINITY);
  return merge(open, ['N', 'J'], 'E');
}
