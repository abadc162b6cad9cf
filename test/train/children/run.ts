/** Trains in the folder given up to the step given, saving every step; goes on from what is there. Prints each step. */
import { nodeRuntime } from '../../../src/runtime/node.ts';
import { checkpointFolder } from '../../../src/train/checkpoint-node.ts';
import { train } from '../../../src/train/loop.ts';
import { adamW } from '../../../src/train/optimizers/adamw.ts';
import { cosine } from '../../../src/train/schedule.ts';
import { tinyBatch, tinyTask } from './tiny.ts';

const [folder, last] = process.argv.slice(2);
const steps = Number(last);
await using runtime = nodeRuntime({ threads: 1 });
const run = train({
  ...{ runtime, task: tinyTask(32), optimizer: adamW(), decay: 0.1, clip: 1, steps, seed: 5, resume: true },
  schedule: cosine({ peak: 1e-2, warmup: 5, steps }),
  batches: tinyBatch,
  save: { store: checkpointFolder(folder!), every: 1 },
});
for await (const { step } of run) console.log(step);
