import { InputError } from '../../error.ts';

/** How much of what was made a chunk sees: cCsSwW of 2511.01266, whose choice is c3s1w1. */
export interface ChunkWindow {
  /** C: frames of a chunk. */
  readonly frames: number;
  /** S: first chunks that stay for ever. */
  readonly sinks: number;
  /** W: last chunks before the present one that are no sinks. */
  readonly window: number;
}

/** Throws an InputError unless frames are a whole number from 1, sinks and window from 0. */
export function checkWindow({ frames, sinks, window }: ChunkWindow): void {
  for (const [name, value, least] of [
    ['frames', frames, 1] as const,
    ['sinks', sinks, 0] as const,
    ['window', window, 0] as const,
  ])
    if (!Number.isSafeInteger(value) || value < least)
      throw new InputError(`chunks: expected ${name} to be a whole number from ${least}, got ${value}`);
}

/** Earlier chunks that a chunk sees, counted from 0, in the order of their slots: sinks, then the window. */
export function seenChunks(chunk: number, { sinks, window }: ChunkWindow): number[] {
  const first = Array.from({ length: Math.min(sinks, chunk) }, (_, i) => i);
  const from = Math.max(sinks, chunk - window);
  return [...first, ...Array.from({ length: Math.max(0, chunk - from) }, (_, i) => from + i)];
}

/**
 * Positions on the time axis of the frames that a chunk sees and of its own, by slot: bounded by (S + W + 1) · C however long the stream is.
 * They grow only until the window is full.
 */
export function slotPositions(chunk: number, window: ChunkWindow): { readonly seen: number[]; readonly own: number[] } {
  const { frames } = window;
  const before = seenChunks(chunk, window).length * frames;
  return {
    seen: Array.from({ length: before }, (_, i) => i),
    own: Array.from({ length: frames }, (_, i) => before + i),
  };
}
