import { LoadError } from '../error.ts';
import type { Experiment } from './experiment.ts';
import type { Shard, ShardStore } from './shard.ts';

export interface RunShardsOptions<S, R> {
  readonly experiment: Experiment<S, R>;
  readonly shards: readonly Shard<S>[];
  readonly store: ShardStore;
  /** Runs one shard, here or elsewhere; the result is checked against the experiment's schema. */
  readonly run: (shard: Shard<S>, progress: (share: number) => void) => Promise<unknown>;
  /** Shards under way at once. Default 1. */
  readonly atOnce?: number;
  readonly signal?: AbortSignal;
  readonly progress?: (state: ShardProgress) => void;
}

/** How far a set of shards is. */
export interface ShardProgress {
  /** Finished, those found in the store among them. */
  readonly done: number;
  readonly found: number;
  readonly total: number;
  /** Sum of the shares of those under way. */
  readonly underWay: number;
}

/**
 * The results of shards in their order. What the store has is not run again; each result is kept as soon as it is there, so that a run
 * that was stopped goes on. The first failure, or the signal, stops the rest.
 */
export async function runShards<S, R>(options: RunShardsOptions<S, R>): Promise<R[]> {
  const { experiment, shards, store, run, atOnce = 1, signal, progress } = options;
  const results = new Array<R | undefined>(shards.length);
  let found = 0;
  for (const [i, shard] of shards.entries()) {
    const kept = await store.get(shard);
    if (kept === undefined) continue;
    results[i] = checked(experiment, kept, shard);
    found++;
  }
  let done = found;
  const shares = new Map<number, number>();
  const tell = () =>
    progress?.({ done, found, total: shards.length, underWay: [...shares.values()].reduce((a, b) => a + b, 0) });
  tell();
  const waiting = shards.flatMap((_, i) => (results[i] === undefined ? [i] : []));
  let failure: unknown;
  const worker = async () => {
    while (failure === undefined && !signal?.aborted) {
      const i = waiting.shift();
      if (i === undefined) return;
      const shard = shards[i]!;
      try {
        const result = await run(shard, (share) => {
          shares.set(i, share);
          tell();
        });
        results[i] = checked(experiment, result, shard);
        if (experiment.keeps?.(results[i] as R) ?? true) await store.put(shard, results[i]);
      } catch (error) {
        failure ??= error;
        return;
      } finally {
        shares.delete(i);
      }
      done++;
      tell();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failure !== undefined) throw failure;
  signal?.throwIfAborted();
  return results as R[];
}

function checked<R>(experiment: Experiment<unknown, R> | Experiment<never, R>, value: unknown, shard: Shard): R {
  const { data, error } = experiment.result.safeParse(value);
  if (error === undefined) return data;
  const { path, message } = error.issues[0]!;
  throw new LoadError(
    `result of ${shard.experiment}, seed ${shard.seed}: ${path.join('.') || 'the whole'}: ${message}; remove it to run its shard again`,
  );
}
