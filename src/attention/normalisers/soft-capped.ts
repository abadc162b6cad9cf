import { softCap } from '../../layers/soft-cap.ts';
import type { AttentionSteps } from '../steps.ts';

/** Steps whose scores stay below a cap, cap · tanh(s / cap), before the mask (Gemma 2, 2408.00118); without a cap the steps themselves. */
export function softCapped(steps: AttentionSteps, cap: number | undefined): AttentionSteps {
  if (cap === undefined) return steps;
  const { fused: _, ...rest } = steps;
  return { ...rest, scores: (q, k) => softCap(steps.scores(q, k), cap) };
}
