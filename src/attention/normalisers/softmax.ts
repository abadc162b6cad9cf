import { add, dot, fusedAttention, multiply, softmax } from '../../tensor/index.ts';
import { additive, causalMask } from '../places.ts';
import type { AttentionSteps, Queries, Stream } from '../steps.ts';

export interface SoftmaxOptions {
  /** Factor on q · k; 1/√D in most families. */
  readonly scale: number;
  /** Sliding window in tokens: a query sees itself and window − 1 keys before it. Default: all before it. */
  readonly window?: number | undefined;
  readonly output: (z: Queries) => Stream;
}

/** Causal scaled dot-product attention, 1706.03762: softmax(q · k · scale + mask) · v. */
export function softmaxSteps({ scale, window, output }: SoftmaxOptions): AttentionSteps {
  return {
    // Scaling the queries costs T·D a head, scaling the scores T·S.
    scores: (q, k) => dot(multiply(q, scale), k, 'D'),
    mask: (scores, places) => add(scores, additive(causalMask(places, window) as never)),
    normalise: (scores) => ({ pattern: softmax(scores, 'S') }),
    mix: (pattern, v) => dot(pattern, v, 'S'),
    output,
    fused: (q, k, v, places) => fusedAttention(q, k, v, additive(causalMask(places, window) as never), scale),
  };
}
