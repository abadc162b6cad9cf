import { add, dot, fusedAttention, multiply, scalar, softmax } from '../../tensor/index.ts';
import { additive, bidirectionalMask, causalMask, type Places } from '../places.ts';
import type { AttentionSteps, Queries, Stream } from '../steps.ts';

export interface SoftmaxOptions {
  /** Factor on q · k; 1/√D in most families. */
  readonly scale: number;
  /** Sliding window in tokens: a query sees itself and window − 1 keys before it (and after it, where not causal). Default: all. */
  readonly window?: number | undefined;
  /** False: queries see the keys after them as well. Default true. */
  readonly causal?: boolean;
  readonly output: (z: Queries) => Stream;
}

/** Scaled dot-product attention, 1706.03762: softmax(q · k · scale + mask) · v. */
export function softmaxSteps({ scale, window, causal = true, output }: SoftmaxOptions): AttentionSteps {
  const seen = (places: Places) => (causal ? causalMask(places, window) : bidirectionalMask(places, window));
  return {
    // Scaling the queries costs T·D a head, scaling the scores T·S.
    scores: (q, k) => dot(multiply(q, scale), k, 'D'),
    mask(scores, places) {
      const mask = seen(places);
      return mask ? add(scores, additive(mask as never)) : scores;
    },
    normalise: (scores) => ({ pattern: softmax(scores, 'S') }),
    mix: (pattern, v) => dot(pattern, v, 'S'),
    output,
    fused(q, k, v, places) {
      const mask = seen(places);
      return fusedAttention(q, k, v, mask ? additive(mask as never) : scalar(0), scale);
    },
  };
}
