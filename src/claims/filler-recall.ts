import { z } from 'zod';
import type { Toy } from '../train/toys/toy.ts';
import type { ClaimSize } from './claim.ts';

/** What every experiment with recall among fillers sets, beside its arm. */
export const fillerSizes = {
  /** n, tokens of a text. */
  tokens: z.number().int().min(8).max(4096),
  pairs: z.number().int().min(1).max(32),
  /** Is a pair one token? */
  joined: z.boolean(),
  batch: z.number().int().min(1).max(4096),
  steps: z.number().int().min(1).max(1_000_000),
} as const;

const fillerSetting = z.strictObject(fillerSizes);
export type FillerSizes = z.infer<typeof fillerSetting>;

/** As the cards have it, or small enough for minutes with as many steps as given. */
export function fillerSize(size: ClaimSize, steps: number): FillerSizes {
  return size === 'night'
    ? { tokens: 256, pairs: 16, joined: false, batch: 32, steps: 2000 }
    : { tokens: 64, pairs: 6, joined: true, batch: 16, steps };
}

/** What is smaller than in the cards at `minutes`. */
export const smallerFiller = (steps: number): string =>
  `In minutes a text has 64 tokens instead of 256 with 6 pairs instead of 16, every length that hangs on n is a quarter of the card’s, a pair is one token that carries key and value, and ${steps} steps of 16 texts are run instead of 2,000 of 32.`;

/** A toy with the batch and steps of a setting. */
export const resized = (toy: Toy, { batch, steps }: FillerSizes): Toy => ({ ...toy, batch, steps });
