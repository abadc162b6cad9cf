import { InputError } from '../../error.ts';

/** Noise level t shifted towards 1: k t / (1 + (k − 1) t), for t in [0, 1] (2511.01266, k = 6). */
export function shiftedTime(t: number, k = 6): number {
  if (!(t >= 0 && t <= 1)) throw new InputError(`shifted time: expected t from 0 to 1, got ${t}`);
  if (!(k > 0 && k < Number.POSITIVE_INFINITY))
    throw new InputError(`shifted time: expected k to be a positive number, got ${k}`);
  return (k * t) / (1 + (k - 1) * t);
}

/** Noise levels of K denoising steps, from 1 down: K, K − 1, … K-ths, shifted. The paper does not say its own. */
export function stepTimes(steps = 3, k = 6): number[] {
  if (!Number.isSafeInteger(steps) || steps < 1)
    throw new InputError(`step times: expected steps to be a whole number from 1, got ${steps}`);
  return Array.from({ length: steps }, (_, i) => shiftedTime((steps - i) / steps, k));
}

/** Velocities of one state under both conditions (text and motion) and without one of them. */
export interface GuidedVelocities {
  readonly both: ArrayLike<number>;
  /** Without text: v(∅, motion). */
  readonly motion: ArrayLike<number>;
  /** Without motion: v(text, ∅). */
  readonly text: ArrayLike<number>;
}

/**
 * Joint guidance of text and motion, 2511.01266: v̂ = v_base + w_t (v(c_t, c_m) − v(∅, c_m)) + w_m (v(c_t, c_m) − v(c_t, ∅)) with
 * v_base = α v(∅, c_m) + (1 − α) v(c_t, ∅), α = w_t / (w_t + w_m). Its coefficients sum to 1. Defaults as published: w_t 3, w_m 1.5.
 *
 * Throws an InputError where lengths differ or the weights sum to 0.
 */
export function jointGuidance(
  { both, motion, text }: GuidedVelocities,
  textWeight = 3,
  motionWeight = 1.5,
): Float32Array {
  if (both.length !== motion.length || both.length !== text.length)
    throw new InputError(
      `joint guidance: expected velocities of one length, got ${both.length}, ${motion.length} and ${text.length}`,
    );
  const share = textWeight / (textWeight + motionWeight);
  if (!Number.isFinite(share))
    throw new InputError(`joint guidance: the weights ${textWeight} and ${motionWeight} have no finite shares`);
  return Float32Array.from({ length: both.length }, (_, i) => {
    const [b, m, t] = [both[i]!, motion[i]!, text[i]!];
    return share * m + (1 - share) * t + textWeight * (b - m) + motionWeight * (b - t);
  });
}
