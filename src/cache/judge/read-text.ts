import { CacheFullError } from '../../error.ts';
import type { KeyValueCache } from '../key-value-cache.ts';
import type { Stream } from '../stream.ts';
import { liveBytes } from './live-bytes.ts';
import { median, type Pace, readSteps } from './read-steps.ts';

export interface TextReading {
  /** −log p of every token, NaN where it was not predicted. */
  readonly losses: Float64Array;
  readonly times: [at: number, milliseconds: number][];
  /** Bytes of keys and values that are held after so many tokens. */
  readonly bytes: [at: number, bytes: number][];
  /** Most bytes that the cache took, with the room that is free and copies. */
  readonly allocated: number;
  readonly ended: { at: number; why: string } | null;
}

export interface ReadTextOptions {
  readonly pace: Pace;
  /** Tokens that a policy may read which looks at its prompt as a whole, before it evicts. */
  readonly prompt: number;
  /** Tokens that may be read, and why no more. */
  readonly limit: { readonly tokens: number; readonly why: string };
  /** After so many tokens `stopped` is called. */
  readonly stops?: readonly number[];
  readonly stopped?: (read: number) => void;
  /** Called after every step. */
  readonly stepped?: (cache: KeyValueCache) => void;
  readonly progress?: (read: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Does the policy look at places only, or not at all, so that chunks give what single tokens give? */
export const goesInChunks = ({ policy }: KeyValueCache): boolean => policy.keep === undefined;

/** Reads a text into a fresh stream as its policy says, and takes down losses, times and bytes. */
export async function readText(stream: Stream, ids: readonly number[], options: ReadTextOptions): Promise<TextReading> {
  const { pace, limit, stops = [], stopped, stepped, progress, signal } = options;
  const { cache } = stream;
  const { policy } = cache;
  const losses = new Float64Array(ids.length).fill(Number.NaN);
  const times: TextReading['times'] = [];
  const bytes: TextReading['bytes'] = [];
  const total = Math.min(ids.length, limit.tokens);
  const prompt = policy.keep && policy.prompt === 'whole' ? Math.min(options.prompt, total) : 0;
  let [read, allocated] = [0, cache.bytes];
  const result = (ended: TextReading['ended']): TextReading => ({ losses, times, bytes, allocated, ended });
  const step = async (part: readonly number[], single: boolean) => {
    if (!single) losses.set(await stream.score(part, { signal }), read);
    else {
      losses[read] = stream.normalisers[0]! - (stream.logits[0]?.[part[0]!] ?? Number.NaN);
      await stream.next(part);
    }
    read += part.length;
    allocated = Math.max(allocated, cache.bytes);
    stepped?.(cache);
    if (stops.includes(read)) stopped?.(read);
  };
  try {
    for (const { from, to, single } of readSteps(total, pace, goesInChunks(cache), prompt, stops)) {
      signal?.throwIfAborted();
      if (!single) await step(ids.slice(from, to), false);
      else {
        const each: number[] = [];
        for (let t = from; t < to; t++) {
          signal?.throwIfAborted();
          const began = performance.now();
          await step(ids.slice(t, t + 1), true);
          each.push(performance.now() - began);
        }
        times.push([from, median(each)]);
      }
      bytes.push([read, liveBytes(cache)]);
      progress?.(read, ids.length);
    }
  } catch (error) {
    // The policy keeps more than it made room for: its end, and no error of the comparison.
    if (!(error instanceof CacheFullError)) throw error;
    return result({ at: read, why: 'its cache was full' });
  }
  return result(total < ids.length ? { at: total, why: limit.why } : null);
}
