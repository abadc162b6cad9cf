import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { RunError } from '../error.ts';
import type { Shard } from './shard.ts';

/** What a worker process is sent. */
export interface WorkerJob {
  readonly shard: Shard;
}

/** What it answers: its share done, its result, or why there is none. */
export type WorkerAnswer = { readonly share: number } | { readonly result: unknown } | { readonly failure: string };

/** Processes of this machine that run shards, each on one thread. `dispose` ends them, whatever they are doing. */
export interface LocalWorkers extends Disposable {
  run(shard: Shard, progress: (share: number) => void): Promise<unknown>;
}

/** Starts up to `count` worker processes as they are needed. */
export function localWorkers(count: number): LocalWorkers {
  const idle: ChildProcess[] = [];
  const all = new Set<ChildProcess>();
  const script = fileURLToPath(new URL('./worker-node.js', import.meta.url));
  const start = () => {
    // Without the terminal's Ctrl-C: whoever started them ends them.
    const child = fork(script, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
      serialization: 'advanced',
    });
    all.add(child);
    child.once('exit', () => all.delete(child));
    return child;
  };
  return {
    run: (shard, progress) =>
      new Promise((resolve, reject) => {
        const child = idle.pop() ?? start();
        if (all.size > count) throw new RunError(`workers: ${all.size} shards at once on ${count} workers`);
        const gone = (code: number | null, signal: NodeJS.Signals | null) =>
          reject(
            new RunError(`a worker process ended (${signal ?? `exit code ${code}`}) while it ran ${shard.experiment}`),
          );
        const hear = (answer: WorkerAnswer) => {
          if ('share' in answer) return progress(answer.share);
          child.off('message', hear).off('exit', gone);
          idle.push(child);
          if ('result' in answer) resolve(answer.result);
          else reject(new RunError(answer.failure));
        };
        child.on('message', hear).on('exit', gone);
        child.send({ shard } satisfies WorkerJob);
      }),
    [Symbol.dispose]: () => {
      for (const child of all) child.kill('SIGKILL');
    },
  };
}
