/** Trains a toy and a llama whose batches repeat a few ids, on several threads; prints every loss and the hash of all that was trained. */
import { createHash } from 'node:crypto';
import { nodeRuntime } from '../../../src/runtime/node.ts';
import { train } from '../../../src/train/loop.ts';
import { adamW } from '../../../src/train/optimizers/adamw.ts';
import { constant } from '../../../src/train/schedule.ts';
import type { TrainState } from '../../../src/train/state.ts';
import { bigramBackcopy } from '../../../src/train/toys/backcopy.ts';
import { trainToy } from '../../../src/train/toys/train-toy.ts';
import { tinyBatch, tinyTask } from './tiny.ts';

const hash = ({ parameters, slots }: TrainState) => {
  const digest = createHash('sha256');
  for (const [name, values] of [...parameters, ...slots])
    digest.update(name).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return digest.digest('hex');
};

await using runtime = nodeRuntime({ threads: 4 });
const toy: number[] = [];
const { state: small } = await trainToy(bigramBackcopy({}), runtime, {
  ...{ seed: 3, steps: 8 },
  progress: (_, { loss }) => toy.push(loss!),
});

const B = 8;
const length = 129;
const run = train({
  ...{ runtime, task: tinyTask(64, { B, T: length - 1 }), optimizer: adamW(), decay: 0.1, clip: 1, steps: 6, seed: 3 },
  schedule: constant({ peak: 1e-2 }),
  // Five different ids: every row of the table that is updated gets hundreds of gradients.
  batches: (index) => {
    const { data } = tinyBatch(index, [B, length]).ids;
    return { ids: { type: 'int64', shape: [B, length], data: data.map((id) => id % 5n) } };
  },
});
const llama: number[] = [];
for (;;) {
  const { value, done } = await run.next();
  if (!done) llama.push(value.loss);
  else {
    console.log(JSON.stringify({ toy, llama, hashes: [hash(small), hash(value)] }));
    break;
  }
}
