/**
 * One training step of a small Llama, ours beside PyTorch: same initial weights, same batch, same threads, AdamW with clipping, steps of both
 * sides in turn. Nothing is timed when the losses of the first step differ by more than 1e-4.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeRuntime } from '../src/runtime/node.ts';
import { decoderFromConfig } from '../src/train/decoder-config.ts';
import { writeHuggingFaceFolder } from '../src/train/hugging-face-folder-node.ts';
import { languageModelTask } from '../src/train/language-model.ts';
import { adamW } from '../src/train/optimizers/adamw.ts';
import { initialState } from '../src/train/state.ts';
import { compileStep } from '../src/train/step.ts';
import { fail, median, megabytes, peakBytes, seconds, table } from './common.ts';
import { Side } from './side.ts';

const sizes = {
  'llama-6m': { M: 256, L: 6, F: 704, B: 16, T: 256 },
  'llama-1m': { M: 128, L: 3, F: 352, B: 8, T: 128 },
} as const;

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: 'llama-6m' },
    threads: { type: 'string', default: '2' },
    repeat: { type: 'string', default: '5' },
    python: { type: 'string', default: (process.env.SINKLAB_BENCH_PYTHON ?? '').split(':')[0] ?? '' },
    model: { type: 'string', default: '' },
    mode: { type: 'string', default: '' },
  },
});
if (!(values.size in sizes)) fail(`--size: expected ${Object.keys(sizes).join(' or ')}, got "${values.size}"`);
const { M, L, F, B, T } = sizes[values.size as keyof typeof sizes];
const V = 4096;
const config = {
  model_type: 'llama',
  vocab_size: V,
  hidden_size: M,
  num_hidden_layers: L,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  head_dim: M / 4,
  intermediate_size: F,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
};
const rate = 1e-3;

/** Our side in a process of its own: one step for each line of standard input. */
async function serve(): Promise<void> {
  const started = performance.now();
  const task = languageModelTask(decoderFromConfig(config), { B, T });
  const optimizer = adamW({ beta1: 0.9, beta2: 0.95 });
  const step = await compileStep(nodeRuntime({ threads: Number(values.threads) }), task, {
    optimizer,
    decay: 0.1,
    clip: 1,
  });
  let state = initialState(task, optimizer, 0);
  await writeHuggingFaceFolder(values.model, { config, parameters: state.parameters });
  const data = BigInt64Array.from({ length: B * (T + 1) }, (_, i) => BigInt((i * 7919 + (i >> 5) * 31) % V));
  const feeds = { ids: { type: 'int64' as const, shape: [B, T + 1], data } };
  const loadSeconds = (performance.now() - started) / 1000;
  let loss = 0;
  const once = async () => {
    const done = await step.run(state, feeds, rate);
    ({ state, loss } = done);
  };
  const firstSeconds = await seconds(once);
  const parameters = [...state.parameters.values()].reduce((sum, { length }) => sum + length, 0);
  console.log(JSON.stringify({ loadSeconds, firstSeconds, version: `${parameters} ${loss}` }));
  for await (const _ of createInterface({ input: process.stdin }))
    console.log(JSON.stringify({ seconds: await seconds(once), peakBytes: peakBytes() }));
  process.exit(0);
}

async function compare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sinklab-bench-'));
  const model = join(folder, 'model');
  const own = [fileURLToPath(import.meta.url), '--mode', 'serve', '--size', values.size, '--threads', values.threads];
  const sides = [new Side('sinklab', process.execPath, [...own, '--model', model])];
  try {
    await sides[0]!.open();
    const losses = [Number(sides[0]!.ready!.version!.split(' ')[1])];
    console.error(
      `${sides[0]!.ready!.version!.split(' ')[0]} parameters, batch ${B} × ${T}, ${values.threads} threads`,
    );
    if (values.python !== '') {
      const script = join(process.env.SINKLAB_BENCH ?? 'bench', 'python', 'train_bench.py');
      const args = [
        model,
        '--batch',
        String(B),
        '--tokens',
        String(T),
        '--threads',
        values.threads,
        '--rate',
        String(rate),
      ];
      const torch = new Side('PyTorch', values.python, [script, ...args]);
      sides.push(torch);
      await torch.open();
      losses.push(Number(torch.ready!.version));
      const difference = Math.abs(losses[0]! - losses[1]!);
      console.error(`loss of the first step: ${losses.join(' and ')}`);
      if (!(difference <= 1e-4)) fail('the sides do not agree: nothing is timed');
    } else console.error('no --python: our side only');
    for (let turn = 0; turn < Number(values.repeat); turn++) for (const side of sides) await side.run();
    const results = sides.map(({ name, runs }) => ({
      name,
      median: median(runs.map((run) => run.seconds)),
      least: Math.min(...runs.map((run) => run.seconds)),
      peak: Math.max(...runs.map((run) => run.peakBytes)),
    }));
    console.log(
      table([
        ['one step', 'median s', 'min', 'peak'],
        ...results.map((r) => [r.name, r.median.toFixed(3), r.least.toFixed(3), megabytes(r.peak)]),
      ]),
    );
    const [ours, torch] = results;
    if (torch)
      console.log(
        `PyTorch / Sinklab: ${(torch.median / ours!.median).toFixed(2)} × the time, of minima ${(torch.least / ours!.least).toFixed(2)}`,
      );
  } finally {
    for (const side of sides) side.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

await (values.mode === 'serve' ? serve() : compare());
process.exit(0);
