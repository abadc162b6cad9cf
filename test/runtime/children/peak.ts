/** Peak memory of 24 blocks of attention of which column sums leave the program: `peak.ts ordered|natural plain|scaled|joined|summed|late|chunked`. */
import { nodeRuntime } from '../../../src/runtime/node.ts';
import {
  add,
  concat,
  dot,
  expand,
  type Graph,
  input,
  lower,
  multiply,
  type Output,
  rename,
  slice,
  softmax,
  sum,
  type Tensor,
} from '../../../src/tensor/index.ts';
import { Lowering } from '../../../src/tensor/lowering.ts';
import { encodeOnnx } from '../../../src/tensor/onnx.ts';

const [order, kind] = process.argv.slice(2);
const T = 512;
const chunks = kind === 'chunked' ? 8 : 1;
let x: Tensor<'B' | 'T' | 'G' | 'D'> = input('x', { B: 'B', T: kind === 'chunked' ? T : 'T', G: 8, D: 8 });
const received: Tensor<'B' | 'G' | 'S'>[] = [];
const patterns: Tensor<'B' | 'G' | 'T' | 'S'>[] = [];
for (let layer = 0; layer < 24; layer++) {
  const y = rename(x, 'T', 'S');
  const mixed: Tensor<'B' | 'T' | 'G' | 'D'>[] = [];
  const sums: Tensor<'B' | 'G' | 'S'>[] = [];
  for (let chunk = 0; chunk < chunks; chunk++) {
    const queries = chunks === 1 ? x : slice(x, 'T', (chunk * T) / chunks, ((chunk + 1) * T) / chunks);
    const pattern = softmax(dot(queries, y, 'D'), 'S');
    patterns.push(pattern);
    if (kind !== 'late') sums.push(sum(pattern, 'T'));
    mixed.push(dot(pattern, y, 'S'));
  }
  if (kind !== 'late') received.push(sums.reduce((a, b) => add(a, b)));
  x = add(x, concat(mixed, 'T'));
}
if (kind === 'late') received.push(...patterns.map((pattern) => sum(pattern, 'T')));
const columns: Record<string, Output> =
  kind === 'joined'
    ? {
        all: {
          value: concat(
            received.map((part) => expand(part, { L: 1 })),
            'L',
          ),
        },
      }
    : kind === 'summed'
      ? { all: { value: received.reduce((a, b) => add(a, b)) } }
      : Object.fromEntries(received.map((value, layer) => [`received.${layer}`, { value }]));
const outputs = { ...columns, out: { value: kind === 'scaled' ? multiply(x, 0.5) : x } };

/** The control: outputs written where they are made, without the leaves that order them. */
function natural(): Graph {
  const lowering = new Lowering({ weights: 'inputs' });
  const names = Object.entries(outputs).map(([name, { value }]) => {
    const place = lowering.lower(value.node);
    const axes = place.layout.filter((axis) => axis !== null);
    lowering.nodes.push({
      type: 'Identity',
      domain: '',
      inputs: [lowering.arrange(place, axes)],
      outputs: [name],
      attributes: {},
    });
    return { name, type: 'float32' as const, shape: axes.map((axis) => value.node.size(axis).constant ?? axis) };
  });
  const { nodes, initializers, inputs } = lowering;
  const graph = lower(outputs, { weights: 'inputs' });
  return { ...graph, bytes: encodeOnnx({ nodes, initializers, inputs, outputs: names }) };
}

await using runtime = nodeRuntime({ threads: 1 });
const program = await runtime.compile(order === 'natural' ? natural() : lower(outputs, { weights: 'inputs' }));
const feed = (length: number) => ({
  x: {
    type: 'float32' as const,
    shape: [1, length, 8, 8],
    data: Float32Array.from({ length: length * 64 }, (_, i) => Math.sin(i)),
  },
});
if (chunks === 1) await program.run(feed(16));
const fed = feed(T);
const before = process.resourceUsage().maxRSS;
await program.run(fed);
console.log(
  JSON.stringify({ megabytes: (process.resourceUsage().maxRSS - before) / 1024, pattern: (8 * T * T * 4) / 2 ** 20 }),
);
