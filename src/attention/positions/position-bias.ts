import { InputError } from '../../error.ts';
import {
  add,
  cast,
  constant,
  gather,
  maximum,
  minimum,
  multiply,
  subtract,
  type Tensor,
  weight,
} from '../../tensor/index.ts';
import type { Places } from '../places.ts';
import type { HeadSizes } from '../projections.ts';
import type { ScoreBias } from '../steps.ts';

/** Position of the query minus position of the key (int64): 0 at itself, 1 at the key before it, negative for later keys. */
export function lags({ queryPositions, keyPositions }: Places): Tensor<'B' | 'T' | 'S'> {
  return subtract(queryPositions as Tensor<'B' | 'T'>, keyPositions as Tensor<'B' | 'S'>);
}

/** Slopes of ALiBi for H heads: 2^(−8h/H), h = 1 … H, in the order of the heads. */
export function alibiSlopes(H: number): number[] {
  return Array.from({ length: H }, (_, i) => 2 ** ((-8 * (i + 1)) / H));
}

/**
 * Slopes of ALiBi as its authors' code has them, and checkpoints with it: 2^(−most · h/H) where H is a power of two; else those of the power of
 * two below, then every second one of the power of two above until there are H.
 */
export function interpolatedSlopes(H: number, most = 8): number[] {
  const below = 2 ** Math.floor(Math.log2(H));
  const geometric = (heads: number) => Array.from({ length: heads }, (_, h) => 2 ** ((-most * (h + 1)) / heads));
  return [...geometric(below), ...geometric(2 * below).filter((_, h) => h % 2 === 0)].slice(0, H);
}

/** ALiBi, 2108.12409: s_ij − slope_h · (i − j). Nothing is trained. Default slopes: the formula of `alibiSlopes` for every H. */
export function alibi(
  { H, G }: Pick<HeadSizes, 'H' | 'G'>,
  slopesOfHeads: readonly number[] = alibiSlopes(H),
): ScoreBias {
  const slopes = constant(slopesOfHeads, { G, R: H / G });
  return (scores, places) => subtract(scores, multiply(cast(lags(places), 'float32'), slopes));
}

export interface RelativeBiasOptions {
  /** Full name of the table [buckets, G, R] without `.weight`. T5 has one for all layers. Default `model.relative_attention_bias`. */
  readonly name?: string;
  /** Even, at least 2. Default 32. */
  readonly buckets?: number;
  /** Lags from here on share the last bucket; more than half the buckets of one direction. Default 128. */
  readonly maxDistance?: number;
  /** Half the buckets are for keys after the query, so that there must be a multiple of four. Default false: keys after it are masked. */
  readonly bidirectional?: boolean;
}

/**
 * Bucket of each lag 0 … maxDistance − 1 looking back (T5's buckets of a decoder, 1910.10683): half the buckets are single lags, the others
 * widen as the logarithm of the lag.
 */
export function relativeBuckets(buckets: number, maxDistance: number): number[] {
  const single = buckets / 2;
  return Array.from({ length: maxDistance }, (_, lag) =>
    lag < single
      ? lag
      : Math.min(single + Math.floor((Math.log(lag / single) / Math.log(maxDistance / single)) * single), buckets - 1),
  );
}

/**
 * T5's relative positions, 1910.10683: s_ij + table[bucket(i − j), head], the table trained and shared by all layers. Throws an InputError
 * for buckets that do not fit.
 */
export function relativeBias({ H, G }: Pick<HeadSizes, 'H' | 'G'>, options: RelativeBiasOptions = {}): ScoreBias {
  const { name = 'model.relative_attention_bias', buckets = 32, maxDistance = 128, bidirectional = false } = options;
  const directions = bidirectional ? 2 : 1;
  const each = buckets / directions;
  if (!Number.isSafeInteger(each) || each < 2 || each % 2 !== 0)
    throw new InputError(
      bidirectional
        ? `relative bias: expected buckets of two directions to be a multiple of 4 and at least 4, got ${buckets}`
        : `relative bias: expected buckets to be an even number of at least 2, got ${buckets}`,
    );
  if (!Number.isSafeInteger(maxDistance) || maxDistance <= each / 2)
    throw new InputError(
      `relative bias: expected maxDistance to be a whole number above half the ${each} buckets, got ${maxDistance}`,
    );
  const back = [...relativeBuckets(each, maxDistance), each - 1];
  // From the key that lies furthest ahead to the one furthest back.
  const ahead = bidirectional ? back.slice(1).map((bucket) => each + bucket) : [];
  const ofLag = [...ahead.reverse(), ...back];
  return (scores, places) => {
    // Later keys that are masked: their bucket does not matter, but it must be one.
    const lag = minimum(maximum(lags(places), -ahead.length), maxDistance);
    const place = ahead.length === 0 ? lag : add(lag, ahead.length);
    const table = weight(`${name}.weight`, { I: buckets, G, R: H / G });
    const bucket = gather(constant(ofLag, { P: ofLag.length }, 'int64'), place, 'P');
    return add(scores, gather(table, bucket, 'I'));
  };
}
