import type { AttentionParts } from '../../attention/attention.ts';
import { type NormOptions, rmsNorm } from '../../layers/norms.ts';

/** RMSNorm over each head of queries and keys: `self_attn.q_norm`, `self_attn.k_norm`. */
export const headRmsNorms = (
  at: (name: string) => string,
  norm: NormOptions,
): NonNullable<AttentionParts['headNorms']> => ({
  q: (x) => rmsNorm(x, 'D', at('self_attn.q_norm'), norm),
  k: (x) => rmsNorm(x, 'D', at('self_attn.k_norm'), norm),
});
