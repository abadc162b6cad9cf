import type { Stream } from '../stream.ts';
import { liveBytes } from './live-bytes.ts';
import type { TextReading } from './read-text.ts';

export interface RecomputeOptions {
  /** Tokens that are read afresh. */
  readonly capacity: number;
  /** Every which token is predicted. */
  readonly stride: number;
  readonly progress?: (read: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Log probability of a token as the stream stands. */
export const logProbability = ({ logits, normalisers }: Stream, id: number): number =>
  (logits[0]?.[id] ?? Number.NaN) - normalisers[0]!;

/** Reads the last tokens afresh. */
export async function readAfresh(
  stream: Stream,
  ids: readonly number[],
  capacity: number,
  signal?: AbortSignal,
): Promise<void> {
  stream.reset();
  await stream.read(ids.slice(Math.max(0, ids.length - capacity)), { signal });
}

/** Sliding window with re-computation: for every n-th token, a fresh cache reads the `capacity` tokens before it. */
export async function recomputeText(
  stream: Stream,
  ids: readonly number[],
  { capacity, stride, progress, signal }: RecomputeOptions,
): Promise<TextReading> {
  const losses = new Float64Array(ids.length).fill(Number.NaN);
  const times: TextReading['times'] = [];
  const bytes: TextReading['bytes'] = [];
  // What is compiled at first is not the price of a token.
  await readAfresh(stream, ids.slice(0, 1), capacity, signal);
  for (let t = stride; t < ids.length; t += stride) {
    signal?.throwIfAborted();
    const began = performance.now();
    await readAfresh(stream, ids.slice(0, t), capacity, signal);
    times.push([t, performance.now() - began]);
    bytes.push([t, liveBytes(stream.cache)]);
    losses[t] = -logProbability(stream, ids[t]!);
    progress?.(t, ids.length);
  }
  return { losses, times, bytes, allocated: stream.cache.bytes, ended: null };
}
