/** Peak memory of a few training steps of a Llama beside what was estimated; argument: its sizes as JSON. */
import { readFileSync } from 'node:fs';
import { nodeRuntime } from '../../../src/runtime/node.ts';
import type { Within } from '../../../src/tensor/index.ts';
import { decoderFromConfig } from '../../../src/train/decoder-config.ts';
import { languageModelTask } from '../../../src/train/language-model.ts';
import { trainMemory } from '../../../src/train/memory.ts';
import { adamW } from '../../../src/train/optimizers/adamw.ts';
import { initialState } from '../../../src/train/state.ts';
import { compilePlan } from '../../../src/train/step.ts';
import { planStep } from '../../../src/train/step-plan.ts';
import { compileValues } from '../../../src/train/values.ts';

const { V, M, L, H, F, B, T, steps, watched = false, accumulate = 1 } = JSON.parse(process.argv[2]!);
const config = {
  ...{ model_type: 'llama', hidden_size: M, intermediate_size: F, num_hidden_layers: L, num_attention_heads: H },
  ...{ vocab_size: V, max_position_embeddings: T, tie_word_embeddings: true },
};
const task = languageModelTask(decoderFromConfig(config), { T });
const optimizer = adamW();
const plan = planStep(task, { optimizer, decay: 0.1, clip: 1, accumulate });
const beside: Readonly<Record<string, Within<string>>>[] = watched ? [task.watch, { loss: task.evaluation.loss }] : [];
const estimate = trainMemory(plan, { ids: [B, T + 1] }, beside);

const runtime = nodeRuntime({ threads: 2 });
const step = await compilePlan(runtime, plan);
const others = await Promise.all(beside.map((values) => compileValues(runtime, values)));
let state = initialState(task, optimizer, 0);
const data = BigInt64Array.from({ length: B * (T + 1) }, (_, i) => BigInt((i * 7919) % V));
const feeds = { ids: { type: 'int64' as const, shape: [B, T + 1], data } };
for (let i = 0; i < steps; i++) {
  ({ state } = await step.run(state, Array(accumulate).fill(feeds), 1e-3));
  for (const other of others) await other.run(state.parameters, feeds);
}
await runtime.dispose();
const peak = 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
console.log(JSON.stringify({ peak, estimate: estimate.total, ratio: peak / estimate.total }));
