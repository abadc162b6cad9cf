import type { HeadSizes } from '../projections.ts';

/** Sizes of the latent space: H query heads and G key/value heads of width D, so M / C1 = H · D and M / C2 = G · D. */
export type LatentSizes = HeadSizes;

/** Stored numbers of the attention of one layer, in parts. */
export interface LatentParameters {
  /** Projections in and out: 2 M² / C1 + 2 M² / C2. */
  readonly projections: number;
  /** (H·D + G·D) · taps[0] + (H + G) · D² · taps[1]. */
  readonly filters: number;
  /** One for each channel and convolution. */
  readonly filterBiases: number;
  /** β, one for each key/value head. */
  readonly keyScales: number;
}

/** Parameters of compressed convolutional attention with all its parts. Default: two taps in each convolution. */
export function latentParameters(
  { H, G, D, M }: LatentSizes,
  taps: readonly [number, number] = [2, 2],
): LatentParameters {
  const channels = (H + G) * D;
  return {
    projections: 2 * M * H * D + 2 * M * G * D,
    filters: channels * taps[0] + (H + G) * D ** 2 * taps[1],
    filterBiases: 2 * channels,
    keyScales: G,
  };
}

/** Numbers kept for decoding after S tokens in one layer. */
export interface LatentCache {
  /** 2 · G·D for each token: 2 S M / C2. */
  readonly keysAndValues: number;
  /** Queries and keys before the convolutions, of the last Σ (taps − 1) tokens. */
  readonly tail: number;
  /** The delayed half of the last token's value channels. */
  readonly delayed: number;
}

export function latentCache(
  { H, G, D }: LatentSizes,
  S: number,
  taps: readonly [number, number] = [2, 2],
): LatentCache {
  return { keysAndValues: 2 * S * G * D, tail: (taps[0] + taps[1] - 2) * (H + G) * D, delayed: (G * D) / 2 };
}

/** Floating operations of q · k and pattern · v over S queries and S keys, the mask not used to save any: 4 S² M / C1. */
export function latentCoreFlops({ H, D }: LatentSizes, S: number): number {
  return 4 * S ** 2 * H * D;
}
