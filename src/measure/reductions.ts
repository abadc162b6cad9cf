import type { Reduction } from '../models/layerwise.ts';
import { log, maximum, multiply, sum } from '../tensor/index.ts';

/** Σ over queries of the attention each key receives, [B, G, R, S]: all that sink rate and attention received need. */
export const columnSums: Reduction<'attn.hook_pattern'> = {
  hook: 'attn.hook_pattern',
  reduce: (pattern, { real }) => (real ? sum(multiply(pattern, real), 'T') : sum(pattern, 'T')),
  order: ['B', 'G', 'R', 'S'],
};

const leastLog = -126 * Math.LN2;

/** Entropy −Σ p ln p of each row in nats, [B, G, R, T]; a learned sink's mass is not counted. */
export const rowEntropy: Reduction<'attn.hook_pattern'> = {
  hook: 'attn.hook_pattern',
  // 0 · ln 0 is 0: the logarithm of the least normal number keeps the product finite.
  reduce: (pattern) => multiply(sum(multiply(pattern, maximum(log(pattern), leastLog)), 'S'), -1),
  order: ['B', 'G', 'R', 'T'],
};

/** Mass on the learned sink, [B, G, R, T]; layers without one give nothing. */
export const sinkMass: Reduction<'attn.hook_sink'> = {
  hook: 'attn.hook_sink',
  reduce: (sink) => sink,
  order: ['B', 'G', 'R', 'T'],
};

/** The pattern itself, [B, G, R, T, S]: for looking at, not for measuring. */
export const wholePattern: Reduction<'attn.hook_pattern'> = {
  hook: 'attn.hook_pattern',
  reduce: (pattern) => pattern,
  order: ['B', 'G', 'R', 'T', 'S'],
};

/** Queries after RoPE, [B, T, G, R, D]. */
export const turnedQueries: Reduction<'attn.hook_rot_q'> = {
  hook: 'attn.hook_rot_q',
  reduce: (q) => q,
  order: ['B', 'T', 'G', 'R', 'D'],
};
