import type { Model } from './model.ts';
import { residualWidth } from './stack.ts';

export interface RunSize {
  /** Texts, and tokens of each. */
  readonly B: number;
  readonly T: number;
  /** Positions of the memory that a decoder looks at. Default 0. */
  readonly S?: number | undefined;
  /** Values that are read, where they are no token ids: pixels, features. Default 0. */
  readonly read?: number;
  /** Attention patterns are values of their own. Default true. */
  readonly watched?: boolean;
  /** Logits are computed. Default true. */
  readonly logits?: boolean;
  /** Bytes of captured values. Default 0. */
  readonly captured?: number;
}

export interface MemoryEstimate {
  /** Float32 copies of all weights. */
  readonly weights: number;
  /** Values that live at once while one block runs, logits, and what is captured. */
  readonly activations: number;
  /** The runtime itself and Node. */
  readonly base: number;
  readonly total: number;
}

const base = 150e6;

/** Bytes that a run of the whole model takes, roughly: within a factor of 1.5 for models over a few hundred megabytes. */
export function estimateMemory(model: Model, size: RunSize): MemoryEstimate {
  const { B, T, S = 0, read = 0, watched = true, logits = true, captured = 0 } = size;
  const { H, G, V = 0, D } = model.stack.sizes;
  const weights = 4 * model.parameters;
  const stream = 4 * B * T * (8 * residualWidth(model.stack.sizes) + 4 * H * D + 3 * widest(model));
  const patterns = watched ? 4 * 3 * B * H * T * (T + S) : 0;
  // The memory with its keys and values; pixels and features as they are, cut into patches or windows, and handed over.
  const others = 4 * B * S * (residualWidth(model.stack.sizes) + 4 * G * D) + 4 * 4 * read;
  const output = logits ? 4 * 2 * B * T * V : 0;
  // Captured values exist once in the runtime and once in JavaScript while they are handed over.
  const activations = stream + patterns + others + output + 2 * captured;
  return { weights, activations, base, total: weights + activations + base };
}

/** Width of the widest value of a block beside its attention: the feed-forward part, all experts of a mixture counted. */
function widest({ weightShapes, stack }: Model): number {
  let most = 0;
  for (const [name, shape] of weightShapes) {
    if (shape.length < 2 || shape.includes(stack.sizes.V ?? 0)) continue;
    const total = shape.reduce((a, b) => a * b, 1);
    if (/\d/.test(name)) most = Math.max(most, total / stack.sizes.M);
  }
  return most;
}
