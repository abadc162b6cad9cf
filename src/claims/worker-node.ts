import { nodeRuntime } from '../runtime/node.ts';
import { experiments } from './experiments.ts';
import type { WorkerAnswer, WorkerJob } from './local-workers-node.ts';

// A process that runs shards one after the other, as it is sent them; it ends when whoever started it does.
const answer = (value: WorkerAnswer) => process.send!(value);

process.on('disconnect', () => process.exit(0));
process.on('message', async ({ shard }: WorkerJob) => {
  try {
    const experiment = experiments.find(({ name, version }) => name === shard.experiment && version === shard.version);
    if (!experiment) throw new Error(`there is no experiment ${shard.experiment}, version ${shard.version}`);
    await using runtime = nodeRuntime({ threads: 1 });
    const setting = experiment.setting.parse(shard.setting);
    const result = await experiment.run(setting as never, shard.seed, {
      runtime,
      progress: (share) => answer({ share }),
    });
    answer({ result });
  } catch (error) {
    answer({
      failure: `${shard.experiment}, seed ${shard.seed}: ${error instanceof Error ? error.message : String(error)}`,
    });
  }
});
