import { softplus } from '../../attention/recurrent/gated-delta.ts';
import { add, divide, multiply, sigmoid, sqrt, sum, type Tensor, takeAlong, topIds } from '../../tensor/index.ts';
import type { Choice, Router } from './chosen-experts.ts';

export interface ScoreSharesOptions {
  /** Of a logit: √ln(1 + eˣ), or the sigmoid. */
  readonly score: 'sqrtsoftplus' | 'sigmoid';
  /** Factor on the shares after they are scaled to sum to one. */
  readonly scale: number;
}

/** Shares of DeepSeek-V4's experts: their scores, scaled to sum to one over those that a token uses. */
export function scoreShares({ score, scale }: ScoreSharesOptions) {
  const scoreOf = (logits: Router): Router => (score === 'sigmoid' ? sigmoid(logits) : sqrt(softplus(logits)));
  const among = (scores: Router, experts: Choice['experts']): Choice => {
    const kept = takeAlong(scores, experts, 'E');
    // The small number keeps scores that have all run to 0 from giving NaN.
    return { experts, shares: multiply(divide(kept, add(sum(kept, 'K'), 1e-20)), scale) };
  };
  return {
    /** Of given experts. */
    of: (logits: Router, experts: Choice['experts']): Choice => among(scoreOf(logits), experts),
    /** Of those with the best score plus a correction that balances the load. */
    best(logits: Router, chosen: number, correction: Tensor<'E'>): Choice {
      const scores = scoreOf(logits);
      return among(scores, topIds(add(scores, correction), 'E', chosen, 'K'));
    },
  };
}
