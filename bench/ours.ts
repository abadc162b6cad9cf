/** One mode of our side in a process of its own: loads, runs once, then once for each line of standard input. */
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { TokenInfo } from '../src/load/token-roles.ts';
import { columnSums } from '../src/measure/reductions.ts';
import { scan } from '../src/measure/scan.ts';
import { feed } from '../src/models/feed.ts';
import { Layerwise, type Reductions } from '../src/models/layerwise.ts';
import { load } from '../src/models/load-node.ts';
import { run } from '../src/models/run.ts';
import { options, peakBytes, readIds, seconds } from './common.ts';

const given = options();
const ids = readIds(given.ids, given.tokens);
const chunk = given.chunk === undefined ? {} : { chunk: given.chunk };
const start = performance.now();
// Runs are repeated: weights stay, as they do in the other libraries and in the whole graph's session.
const keepWeights = given.mode === 'streamed' ? 0 : Number.POSITIVE_INFINITY;
const model = await load(given.model, { threads: given.threads, tokenizer: 'none', keepWeights });
const loadSeconds = (performance.now() - start) / 1000;
const { L, H } = model.decoder.sizes;
const T = ids.length;

async function layers(reduce: Reductions, see?: (layer: number, sums: Float64Array) => void): Promise<void> {
  const engine = new Layerwise(model, { reduce, ...chunk });
  for await (const { layer, reduced } of engine.run([feed(model.stack, { ids: [ids] })]))
    see?.(layer, reduced.columnSums!.data);
}

/** Mean over the queries that see a key, [L, H, S]. */
const received = new Float32Array(L * H * T);
const tokens = ids.map((id, position): TokenInfo => ({ id, position, text: '?', role: 'text', class: 'letter' }));

const modes: Record<string, () => Promise<unknown>> = {
  forward: () => run(model, { ids: [ids] }, { logits: false }),
  layers: () => layers({}),
  received: () =>
    layers({ columnSums }, (layer, sums) => {
      for (let i = 0; i < H * T; i++) received[layer * H * T + i] = sums[i]! / (T - (i % T));
    }),
  streamed: () => layers({ columnSums }),
  all: () => scan(model, { page: ids, tokens }, chunk),
  capture: () =>
    run(model, { ids: [ids] }, { logits: false, capture: ['blocks.*.attn.hook_pattern', 'blocks.*.hook_out'] }),
};

const once = modes[given.mode]!;
const firstSeconds = await seconds(once);
if (given.save !== undefined) writeFileSync(given.save, received);
console.log(JSON.stringify({ loadSeconds, firstSeconds }));
for await (const _ of createInterface({ input: process.stdin }))
  console.log(JSON.stringify({ seconds: await seconds(once), peakBytes: peakBytes() }));
process.exit(0);
