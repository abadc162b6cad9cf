import { slidingWindow } from '../cache/policies/window.ts';
import type { CachePolicy } from '../cache/policy.ts';
import { createStream, type StreamOptions } from '../cache/stream.ts';
import type { Model } from '../models/model.ts';
import { average } from './figures.ts';

export interface StreamedText {
  readonly policy: CachePolicy;
  /** Tokens in front of the text, which are read and not judged. */
  readonly front?: readonly number[];
  readonly ids: readonly number[];
  readonly engine?: StreamOptions['engine'];
  readonly signal?: AbortSignal | undefined;
  readonly progress?: (read: number) => void;
}

/** −log p of each token of a text that is streamed under a policy, in nats; NaN for the first where nothing stands in front of it. */
export async function streamedLosses(model: Model, text: StreamedText): Promise<Float64Array> {
  const { policy, front = [], ids, engine, signal, progress } = text;
  await using stream = createStream(model, { policy, ...(engine ? { engine } : {}) });
  const losses = await stream.score([...front, ...ids], { signal, progress: (read) => progress?.(read) });
  return losses.subarray(front.length);
}

/**
 * What the same tokens cost without a stream: texts of C tokens, each read afresh from the middle of the one before, of which the second half
 * counts. NaN for the first C tokens.
 */
export async function afreshLosses(
  model: Model,
  { ids, engine, signal, progress }: Omit<StreamedText, 'policy' | 'front'>,
  C: number,
): Promise<Float64Array> {
  const half = Math.floor(C / 2);
  await using stream = createStream(model, { policy: slidingWindow({ recent: C }), ...(engine ? { engine } : {}) });
  const losses = new Float64Array(ids.length).fill(Number.NaN);
  for (let from = C - half; from + half < ids.length; from += half) {
    stream.reset();
    const found = await stream.score(ids.slice(from, from + 2 * half), { signal });
    losses.set(found.subarray(half), from + half);
    progress?.(from);
  }
  return losses;
}

/** How much values rise from the first to the last, along the straight line that fits them best; 0 for fewer than two. */
export function riseOf(values: ArrayLike<number>): number {
  const n = values.length;
  if (n < 2) return 0;
  const middle = (n - 1) / 2;
  let [upper, lower] = [0, 0];
  for (let i = 0; i < n; i++) {
    upper += (i - middle) * values[i]!;
    lower += (i - middle) ** 2;
  }
  return (upper / lower) * (n - 1);
}

/** Pearson's correlation; 0 where one of both does not vary. */
export function correlation(x: readonly number[], y: readonly number[]): number {
  const [mx, my] = [average(x), average(y)];
  const sum = (of: (i: number) => number) => x.reduce((total, _, i) => total + of(i), 0);
  const spread = Math.sqrt(sum((i) => (x[i]! - mx) ** 2) * sum((i) => (y[i]! - my) ** 2));
  return spread > 0 ? sum((i) => (x[i]! - mx) * (y[i]! - my)) / spread : 0;
}
