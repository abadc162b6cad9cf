/** MB that are live and resident after fifty more training steps than ten, beside the size of parameters and slots. */
import { nodeRuntime } from '../../../src/runtime/node.ts';
import { adamW } from '../../../src/train/optimizers/adamw.ts';
import { initialState } from '../../../src/train/state.ts';
import { compileStep } from '../../../src/train/step.ts';
import { tinyBatch, tinyTask } from './tiny.ts';

const runtime = nodeRuntime({ threads: 1 });
const task = tinyTask(256);
const optimizer = adamW();
const step = await compileStep(runtime, task, { optimizer, decay: 0.1, clip: 1 });
let state = initialState(task, optimizer, 0);
const measure = async (steps: number) => {
  for (let i = 0; i < steps; i++) ({ state } = await step.run(state, tinyBatch(state.step), 1e-3));
  // What a collection finds is given back a turn of the event loop later.
  for (let i = 0; i < 3; i++) {
    globalThis.gc!();
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage();
  return { live: (arrayBuffers + external + heapUsed) / 2 ** 20, resident: rss / 2 ** 20 };
};
const first = await measure(10);
const last = await measure(50);
const size = [...state.parameters.values(), ...state.slots.values()].reduce(
  (total, { byteLength }) => total + byteLength,
  0,
);
await runtime.dispose();
console.log(
  JSON.stringify({ live: last.live - first.live, resident: last.resident - first.resident, state: size / 2 ** 20 }),
);
