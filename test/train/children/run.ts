/** Trains to step 60 in the folder given, saving every step; goes on from what is there. Prints each step. */
import { nodeRuntime } from '../../../src/runtime/node.ts';
import { checkpointFolder } from '../../../src/train/checkpoint-node.ts';
import { train } from '../../../src/train/loop.ts';
import { adamW } from '../../../src/train/optimizers/adamw.ts';
import { cosine } from '../../../src/train/schedule.ts';
import { tinyBatch, tinyTask } from './tiny.ts';

await using runtime = nodeRuntime({ threads: 1 });
const run = train({
  ...{ runtime, task: tinyTask(32), optimizer: adamW(), decay: 0.1, clip: 1, steps: 60, seed: 5, resume: true },
  schedule: cosine({ peak: 1e-2, warmup: 5, steps: 60 }),
  batches: tinyBatch,
  save: { store: checkpointFolder(process.argv[2]!), every: 1 },
});
for await (const { step } of run) console.log(step);
