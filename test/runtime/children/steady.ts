/** Live bytes after 200 runs, in MB above those after 20: each run makes 4 MB of output and fetches it. */
import { nodeRuntime } from '../../../src/runtime/node.ts';
import { dot, input, lower, rename, slice } from '../../../src/tensor/index.ts';

const runtime = nodeRuntime({ threads: 1 });
const x = input('x', { T: 'T', M: 8 });
const y = dot(slice(x, 'M', 0, 4), rename(slice(x, 'M', 4, 8), 'T', 'S'), 'M');
const program = await runtime.compile(lower({ y: { value: y } }, { weights: 'inputs' }));
const feeds = { x: { type: 'float32' as const, shape: [1024, 8], data: new Float32Array(8192).fill(1) } };
const measure = () => {
  globalThis.gc!();
  const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage();
  return { live: (arrayBuffers + external + heapUsed) / 2 ** 20, resident: rss / 2 ** 20 };
};
const repeat = async (count: number) => {
  for (let i = 0; i < count; i++) {
    await program.run(feeds);
    if (i % 20 === 19) globalThis.gc!();
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  return measure();
};
const first = await repeat(20);
const last = await repeat(200);
const broken = await runtime.compile(
  lower({ y: { value: slice(input('x', { T: 'T' }), 'T', 0, 4) } }, { weights: 'inputs' }),
);
const error = await broken
  .run({ x: { type: 'float32', shape: [2], data: new Float32Array(2) } })
  .then(() => 'none', String);
await runtime.dispose();
console.log(JSON.stringify({ live: last.live - first.live, resident: last.resident - first.resident, error }));
