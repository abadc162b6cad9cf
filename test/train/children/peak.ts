/** Peak memory of a few training steps of a Llama beside what was estimated. */
import { readFileSync } from 'node:fs';
import { nodeRuntime } from '../../../src/runtime/node.ts';
import { decoderFromConfig } from '../../../src/train/decoder-config.ts';
import { languageModelTask } from '../../../src/train/language-model.ts';
import { peakOf } from '../../../src/train/memory.ts';
import { adamW } from '../../../src/train/optimizers/adamw.ts';
import { initialState } from '../../../src/train/state.ts';
import { compileStep } from '../../../src/train/step.ts';
import { parametersOf } from '../../../src/train/parameter.ts';
import { parameterGradients, updateOutputs } from '../../../src/train/step-graph.ts';

const { V, M, L, H, F, B, T, steps, fixed } = JSON.parse(process.argv[2]!);
const config = {
  ...{ model_type: 'llama', hidden_size: M, intermediate_size: F, num_hidden_layers: L, num_attention_heads: H },
  ...{ vocab_size: V, max_position_embeddings: 4096, tie_word_embeddings: true },
};
const hwm = () => 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
const rss = () => process.memoryUsage().rss / 1e6;
const task = languageModelTask(decoderFromConfig(config), { T: T, ...(fixed ? { B } : {}) });
const optimizer = adamW();
const data = BigInt64Array.from({ length: B * (T + 1) }, (_, i) => BigInt((i * 7919) % V));
const feeds = { ids: { type: 'int64' as const, shape: [B, T + 1], data } };
const t0 = performance.now();
const parameters = parametersOf([task.loss]);
const outs = updateOutputs(task, parameters, parameterGradients(task.loss, parameters), { optimizer, decay: 0.1, clip: 1 });
const estimate = peakOf(Object.values(outs).map((o) => o.value.node), feeds) / 1e6;
const t1 = performance.now();
const base = rss();
const step = await compileStep(nodeRuntime({ threads: 2 }), task, { optimizer, decay: 0.1, clip: 1 });
const compiled = rss();
let state = initialState(task, optimizer, 0);
const P = 4e-6 * [...state.parameters.values()].reduce((n, p) => n + p.length, 0);
const began = rss();
const seen: number[] = [];
for (let i = 0; i < steps; i++) {
  ({ state } = await step.run(state, feeds, 1e-3));
  seen.push(Math.round(hwm() / 1e6));
}
console.log(JSON.stringify({ P, estimate, ms: t1 - t0, base, compiled, began, seen, over: seen.at(-1)! - began, ratio: (seen.at(-1)! - began) / estimate }));
process.exit(0);
