import { lightningAttention } from '../attention/mechanisms/lightning-attention.ts';
import { positions } from '../attention/positions/positions.ts';
import type { LightningOptions } from '../attention/recurrent/lightning-layer.ts';
import type { Decoder } from '../models/decoder.ts';
import { type SmallBlockOptions, smallDecoder } from './small-decoder.ts';

export interface TransNormerOptions {
  /** H divides M. F, the inner width of the feed-forward: default 2 M. */
  readonly sizes: {
    readonly L: number;
    readonly H: number;
    readonly M: number;
    readonly F?: number;
    readonly V: number;
  };
  /** T of training. */
  readonly context: number;
  /** Default: as published, see `lightningAttention`. */
  readonly attention?: LightningOptions;
  /** One table for tokens in and out. Default true. */
  readonly tied?: boolean;
}

/**
 * What a block of TransNormerLLM (2307.14995, 2405.17381) is, as options of `smallBlock`: gated linear attention and a gated linear unit without
 * activation (SGLU), each behind a norm without parameters (SRMSNorm, ε = 10⁻⁶):
 *
 *     x ← x + W_o (srms(lightning(srms x)) ⊙ u),  x ← x + W_3 (W_1 srms x ⊙ W_2 srms x)
 *
 * W_1, W_2, W_3 are stored as `mlp.gate_proj`, `mlp.up_proj` and `mlp.down_proj`.
 */
export function transNormerBlock(attention: LightningOptions = {}) {
  return {
    mechanism: lightningAttention(attention),
    position: attention.positions === 'site' ? positions.rope : positions.none,
    ...{ normWeight: false, activation: 'linear', gated: true, epsilon: 1e-6 },
  } as const satisfies Partial<SmallBlockOptions>;
}

/** A small TransNormerLLM: its blocks, SRMSNorm at the end, in the outline and with the names of `smallDecoder`. No norm has a parameter. */
export function transNormer({ sizes, context, attention, tied = true }: TransNormerOptions): Decoder {
  const { F = 2 * sizes.M } = sizes;
  return smallDecoder({ ...transNormerBlock(attention), sizes: { ...sizes, F }, context, tied });
}
