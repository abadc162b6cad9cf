/**
 * One training step of a small Llama, ours beside PyTorch's and jax-js': same initial weights, same batch, same threads, AdamW with clipping,
 * steps of all sides in turn. Nothing is timed when the losses of the first step differ by more than 1e-4, or those of the second, which
 * come of gradients and update, by more than 1e-3.
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
    size: { type: 'string', default: 'llama-6m,llama-1m' },
    threads: { type: 'string', default: '2' },
    repeat: { type: 'string', default: '5' },
    python: { type: 'string', default: (process.env.SINKLAB_BENCH_PYTHON ?? '').split(':')[0] ?? '' },
    'jax-js': { type: 'string', default: process.env.SINKLAB_BENCH_JAX_JS ?? '' },
    model: { type: 'string', default: '' },
    mode: { type: 'string', default: '' },
  },
});
const V = 4096;
type Size = keyof typeof sizes;

const configOf = (size: Size) => {
  const { M, L, F } = sizes[size];
  return {
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
};
const rate = 1e-3;

/** Our side in a process of its own: one step for each line of standard input. */
async function serve(size: Size): Promise<void> {
  const { B, T } = sizes[size];
  const config = configOf(size);
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
    console.log(JSON.stringify({ seconds: await seconds(once), peakBytes: peakBytes(), loss }));
  process.exit(0);
}

async function compare(size: Size): Promise<void> {
  const { B, T } = sizes[size];
  const folder = mkdtempSync(join(tmpdir(), 'sinklab-bench-'));
  const model = join(folder, 'model');
  const own = [fileURLToPath(import.meta.url), '--mode', 'serve', '--size', size, '--threads', values.threads];
  const run = ['--batch', String(B), '--tokens', String(T), '--threads', values.threads, '--rate', String(rate)];
  const here = (path: string) => join(process.env.SINKLAB_BENCH ?? 'bench', path);
  const sides = [new Side('Sinklab', process.execPath, [...own, '--model', model])];
  try {
    // Ours first: it writes the weights that the others read.
    await sides[0]!.open();
    const [parameters, loss] = sides[0]!.ready!.version!.split(' ').map(Number);
    console.error(`${size}: ${parameters} parameters, batch ${B} × ${T}, ${values.threads} threads`);
    const { python, 'jax-js': jaxJs } = values;
    if (python === '') console.error('no --python: without PyTorch');
    else sides.push(new Side('PyTorch', python, [here('python/train_bench.py'), model, ...run]));
    if (jaxJs === '') console.error('no --jax-js: without jax-js');
    else
      sides.push(new Side('jax-js', process.execPath, [here('jax-js/train_bench.mjs'), model, '--jax', jaxJs, ...run]));
    for (const side of sides.slice(1)) await side.open();
    checkAgree(sides, [loss!, ...sides.slice(1).map(({ ready }) => Number(ready!.version))], 'first', 1e-4);
    const second: number[] = [];
    for (const side of sides) second.push((await side.once()).loss!);
    checkAgree(sides, second, 'second', 1e-3);
    for (let turn = 0; turn < Number(values.repeat); turn++) for (const side of sides) await side.run();
    const results = sides.map(({ name, runs }) => ({
      name,
      median: median(runs.map((timed) => timed.seconds)),
      least: Math.min(...runs.map((timed) => timed.seconds)),
      peak: Math.max(...runs.map((timed) => timed.peakBytes)),
    }));
    const [ours] = results;
    console.log(
      table([
        ['one step', 'median s', 'min s', 'median / ours', 'min / ours', 'peak', 'peak / ours'],
        ...results.map(({ name, median, least, peak }) => [
          ...[name, median.toFixed(3), least.toFixed(3), (median / ours!.median).toFixed(2)],
          ...[(least / ours!.least).toFixed(2), megabytes(peak), (peak / ours!.peak).toFixed(2)],
        ]),
      ]),
    );
  } finally {
    for (const side of sides) side.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function checkAgree(sides: readonly Side[], losses: readonly number[], step: string, tolerance: number): void {
  console.error(`loss of the ${step} step: ${sides.map(({ name }, i) => `${name} ${losses[i]}`).join(', ')}`);
  if (!losses.every((loss) => Math.abs(loss - losses[0]!) <= tolerance))
    throw new Error('the sides do not agree: nothing is timed');
}

const asked = values.size.split(',');
for (const size of asked)
  if (!(size in sizes))
    fail(`--size: expected ${Object.keys(sizes).join(' or ')}, or both with a comma, got "${size}"`);
if (values.mode === 'serve') await serve(asked[0] as Size);
else
  for (const size of asked as Size[])
    try {
      await compare(size);
    } catch (error) {
      fail((error as Error).message);
    }
process.exit(0);
