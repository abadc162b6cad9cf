import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { peakBytes, seconds } from '../common.ts';

/** A library that reads a prompt and continues it, loaded and ready. */
export interface Contestant {
  readonly version: string;
  /** Forgets everything and gets ready for a text of so many tokens. */
  clear(tokens: number): Promise<void>;
  /** Reads several tokens at once; the most probable token after them. */
  prefill(ids: readonly number[]): Promise<number>;
  /** Reads one more token; the most probable one after it. */
  next(id: number): Promise<number>;
}

export interface Arguments {
  readonly model: string;
  readonly threads: number;
  /** Most tokens that any text of this run has. */
  readonly capacity: number;
  /** Where the package is installed; empty for ours. */
  readonly folder: string;
  readonly weights: string;
}

/** `follow`: `after` is read after `ids`, or without it so many tokens as the library itself finds most probable. */
export type Request =
  | { readonly kind: 'prefill'; readonly ids: readonly number[] }
  | { readonly kind: 'decode'; readonly ids: readonly number[]; readonly steps: number }
  | {
      readonly kind: 'follow';
      readonly ids: readonly number[];
      readonly count: number;
      readonly after?: readonly number[];
    };

export interface Reply {
  /** Of a prompt, or of each token. */
  readonly seconds: readonly number[];
  /** Most probable token after the prompt and after each token that followed. */
  readonly tokens: readonly number[];
  readonly peakBytes: number;
  readonly residentBytes: number;
}

/** Resident memory of this process now, in bytes, pages of mapped files included. */
function residentBytes(): number {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  } catch {
    return process.memoryUsage.rss();
  }
}

/** The life of a contestant's process: it loads, says so, and answers one request for each line of standard input. */
export async function serve(load: (given: Arguments) => Promise<Contestant>): Promise<never> {
  const started = performance.now();
  const contestant = await load(JSON.parse(process.argv[2]!) as Arguments);
  const loadSeconds = (performance.now() - started) / 1000;
  console.log(JSON.stringify({ loadSeconds, version: contestant.version }));
  for await (const line of createInterface({ input: process.stdin })) {
    const answered = await answer(contestant, JSON.parse(line) as Request);
    globalThis.gc?.();
    console.log(JSON.stringify({ ...answered, peakBytes: peakBytes(), residentBytes: residentBytes() }));
  }
  process.exit(0);
}

async function answer(contestant: Contestant, request: Request): Promise<Pick<Reply, 'seconds' | 'tokens'>> {
  const { kind, ids } = request;
  const more = kind === 'prefill' ? 0 : kind === 'decode' ? request.steps : request.count - 1;
  await contestant.clear(kind === 'follow' ? ids.length + more : ids.length);
  // What earlier requests left behind is freed now, not while a clock runs.
  globalThis.gc?.();
  const times: number[] = [];
  const tokens: number[] = [];
  const timed = async (what: () => Promise<number>) => {
    times.push(
      await seconds(async () => {
        tokens.push(await what());
      }),
    );
  };
  const first = kind === 'decode' ? ids.slice(0, ids.length - more) : ids;
  const then = kind === 'decode' ? ids.slice(ids.length - more) : kind === 'follow' ? request.after : undefined;
  await timed(() => contestant.prefill(first));
  for (let i = 0; i < more; i++) await timed(() => contestant.next(then ? then[i]! : tokens.at(-1)!));
  return { seconds: kind === 'decode' ? times.slice(1) : times, tokens };
}

export function argmax(values: ArrayLike<number>, start = 0, end = values.length): number {
  let best = start;
  for (let i = start + 1; i < end; i++) if (values[i]! > values[best]!) best = i;
  return best - start;
}
