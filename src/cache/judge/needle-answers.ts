import type { Stream } from '../stream.ts';
import type { NeedleTask } from './needle-tasks.ts';
import type { SpanLoss } from './policy-run.ts';
import { type ReadTextOptions, readText } from './read-text.ts';
import { logProbability, readAfresh } from './recompute.ts';
import { plannedLosses, SpanWatch } from './span-watch.ts';

/** Whether a fact was found again. */
export interface NeedleAnswer {
  readonly depth: number;
  readonly code: string;
  /** Is the code what greedy decoding gives? */
  readonly found: boolean;
  /** Of the whole code, in nats; null where the policy ended before the question. */
  readonly logProbability: number | null;
  /** Tokens of the text with the question. */
  readonly tokens: number;
  /** Where the fact stands, and when it left. */
  readonly left: SpanLoss;
}

/** Reads the text with the fact and asks for it, under the stream's policy. `newlines` stand in front of it. */
export async function askNeedle(
  stream: Stream,
  { depth, code, ids, answer, needle }: NeedleTask,
  options: ReadTextOptions & { readonly newlines: readonly number[]; readonly recompute: number | undefined },
): Promise<NeedleAnswer> {
  const { newlines, recompute, signal } = options;
  const shift = newlines.length;
  const text = [...newlines, ...ids];
  const watch = new SpanWatch([needle], shift);
  stream.reset();
  const { cache } = stream;
  const reading =
    recompute === undefined
      ? await readText(stream, text, { ...options, prompt: text.length, stepped: (at) => watch.look(at) })
      : undefined;
  const ended = reading?.ended != null;
  let [found, sum] = [!ended, 0];
  for (let n = 0; n < answer.length && !ended; n++) {
    const id = answer[n]!;
    if (recompute !== undefined) await readAfresh(stream, [...text, ...answer.slice(0, n)], recompute, signal);
    found &&= largest(stream.logits[0]!) === id;
    sum += logProbability(stream, id);
    if (recompute === undefined && n + 1 < answer.length) await stream.next([id]);
  }
  const total = ids.length;
  const gone = (token: number) => (token + recompute! < total ? token + recompute! : null);
  const left =
    recompute !== undefined
      ? { ...needle, firstLost: gone(needle.from), allLost: gone(needle.to - 1) }
      : cache.policy.keep
        ? watch.found()[0]!
        : plannedLosses([needle], cache, total, shift)[0]!;
  return { depth, code, found, logProbability: Number.isFinite(sum) && !ended ? sum : null, tokens: total, left };
}

function largest(logits: Float32Array): number {
  let top = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[top]!) top = i;
  return top;
}
