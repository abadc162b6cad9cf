import { availableParallelism } from 'node:os';
import type { Experiment } from '../claims/experiment.ts';
import { localWorkers } from '../claims/local-workers-node.ts';
import { runShards } from '../claims/run-shards.ts';
import type { Shard } from '../claims/shard.ts';
import { folderStore } from '../claims/shard-store-node.ts';
import { duration } from '../report/train-words.ts';
import { nodeRuntime } from '../runtime/node.ts';
import type { CommandContext } from './command.ts';
import { Progress } from './terminal.ts';

/** Where results are kept, and processes that run at once. */
export interface ExperimentFlags {
  readonly out: string;
  readonly workers?: number;
}

/**
 * Runs shards in processes of this machine with progress on standard error, or takes their results from `out`. What was finished when
 * Ctrl-C came is kept.
 */
export async function runExperiment<S, R>(
  experiment: Experiment<S, R>,
  shards: readonly Shard<S>[],
  { out, workers: asked }: ExperimentFlags,
  { terminal, signal }: CommandContext,
): Promise<R[]> {
  const count = Math.min(asked ?? availableParallelism(), shards.length);
  const live = new Progress(terminal);
  const began = performance.now();
  let told = 0;
  // One at a time needs no process of its own.
  using workers = count > 1 ? localWorkers(count) : undefined;
  if (workers) signal.addEventListener('abort', () => workers[Symbol.dispose]());
  try {
    return await runShards({
      ...{ experiment, shards, store: folderStore(out), atOnce: count, signal },
      run: async (shard, progress) => {
        if (workers) return workers.run(shard, progress);
        await using runtime = nodeRuntime({ threads: 1 });
        return await experiment.run(shard.setting, shard.seed, { runtime, signal, progress });
      },
      progress: ({ done, found, total, underWay }) => {
        const mine = done - found + underWay;
        const seconds = (performance.now() - began) / 1000;
        const left = mine > 0.2 ? `, ${duration((seconds / mine) * (total - found - mine))} left` : '';
        const stand = `${done} of ${total} runs${left}`;
        live.show(stand, (done + underWay) / total);
        // In a log a line after each run.
        if (!terminal.live && done > told) terminal.err(`${stand}\n`);
        told = Math.max(told, done);
      },
    });
  } catch (error) {
    if (signal.aborted) terminal.err(`finished runs are kept in ${out}; the same command goes on with the rest\n`);
    throw error;
  } finally {
    live.clear();
  }
}
