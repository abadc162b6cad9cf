import { z } from 'zod';
import { positionNames } from '../../attention/positions/positions.ts';
import { attentionNames } from './attention.ts';

const count = z
  .number()
  .int()
  .min(1)
  .max(2 ** 31);
const rate = z.number().min(0).max(1000);

/** What the first tokens of a sequence are. */
export const firstTokens = [
  'fixed',
  'free',
  'random',
  'two random',
  'second random',
  'fixed second',
  'fixed third',
] as const;

/** Everything that decides a run beside its seed. */
export const settingSchema = z.strictObject({
  L: count.max(64),
  H: count.max(64),
  M: count.max(4096),
  /** Feed-forward width; null for attention alone. */
  F: count.max(65_536).nullable(),
  activation: z.enum(['silu', 'gelu', 'relu']),
  /** Feed-forward with a gate (SwiGLU and kin). */
  gated: z.boolean(),
  norm: z.enum(['pre', 'post']),
  position: z.enum(positionNames),
  attention: z.enum(attentionNames),
  /** Sliding window in tokens; null for all before. */
  window: count.nullable(),
  /** Tokens that all see, before the loss begins; null for a causal model. */
  prefix: count.max(32).nullable(),
  /**
   * `fixed`: a token that stands nowhere else; `free`: as the text has it; `random`, `two random`, `second random`: that token, both, or
   * the second drawn uniformly; `fixed second`, `fixed third`: the token of `fixed` at that place.
   */
  firstToken: z.enum(firstTokens),
  /** Sequences in all, seen again and again; null for fresh ones at each step. */
  sequences: count.nullable(),
  batch: count.max(4096),
  steps: count,
  learningRate: rate,
  decay: rate,
  /** Steps between two looks. */
  every: count,
});

export type EmergenceSetting = z.infer<typeof settingSchema>;

/** The bigram/backcopy model of the card (2410.10781, Toy B): one head, attention alone, BOS first. */
export const baseSetting: EmergenceSetting = {
  ...{ L: 1, H: 1, M: 64, F: null, activation: 'silu', gated: true, norm: 'pre', position: 'learned' },
  ...{ attention: 'softmax', window: null, prefix: null, firstToken: 'fixed', sequences: null },
  ...{ batch: 128, steps: 1600, learningRate: 1e-3, decay: 0.01, every: 100 },
};
