import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { InputError } from '../../error.ts';
import type { TensorToWrite } from '../../load/write-safetensors.ts';
import { writeSafetensors } from '../../load/write-safetensors-node.ts';
import { type PlannedTensor, planCapture } from '../../models/capture.ts';
import { feed } from '../../models/feed.ts';
import { canonicalHook } from '../../models/hook-names.ts';
import type { FeatureBatch, PixelBatch } from '../../models/input.ts';
import { estimateMemory } from '../../models/memory.ts';
import type { Model } from '../../models/model.ts';
import { run } from '../../models/run.ts';
import { escapeText } from '../../report/escape.ts';
import { type CaptureInput, type CaptureInputOptions, captureInput } from '../capture-input.ts';
import { captureMetadata } from '../capture-metadata.ts';
import { type CommandContext, examples } from '../command.ts';
import { checkMemory } from '../memory.ts';
import { describeFiles, openModel } from '../open.ts';
import { byteCount, indices, type ModelOptions, modelArgument, whole, withModelOptions, withPart } from '../options.ts';
import { Progress, plainBytes } from '../terminal.ts';

interface Options extends ModelOptions, CaptureInputOptions {
  readonly hook: readonly string[];
  readonly layer?: readonly number[];
  readonly head?: readonly number[];
  readonly position?: readonly number[];
  readonly dtype: 'float32' | 'float16';
  readonly maxBytes: number;
  readonly out: string;
}

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('capture')
    .summary('values at any hook point, as a safetensors file')
    .description(
      'Runs the model on a text and writes the values of hook points to a safetensors file that names their axes, the tokens and the model. Says what it costs before it runs.',
    )
    .argument('[model]', `${modelArgument} (default: SmolLM2-135M-Instruct)`)
    .requiredOption(
      '--hook <name...>',
      'hook points: blocks.3.attn.hook_pattern, blocks.*.hook_out, or attn.hook_pattern for every layer (`sinklab info` lists them)',
    )
    .option('--text <text>', 'the text itself')
    .option('--file <file>', 'a text file, or a .gz of one')
    .option('--ids <ids>', 'token ids: 1,2,3')
    .option('--image <files...>', 'a picture, for models that read them; with --text inside it')
    .option('--audio <file>', 'a sound (WAV, FLAC, MP3), for models that read it')
    .option(
      '--input <file>',
      'a safetensors file with input.input_ids [B, T] and perhaps input.attention_mask; input.pixel_values, input.input_features or input.decoder_input_ids of other models',
    )
    .option('--layer <indices>', 'layers of hook points given for every layer, such as 0,3-5', indices)
    .option('--head <indices>', 'query heads; of keys and values the heads that serve them', indices)
    .option('--position <indices>', 'query positions; of keys and values their own', indices)
    .addOption(new Option('--dtype <type>', 'how values are stored').choices(['float32', 'float16']).default('float32'))
    .addOption(new Option('--bos <mode>', 'put BOS in front').choices(['auto', 'add', 'none']).default('auto'))
    .option('--tokens <n>', 'longest text in tokens; the rest is left out', whole(1, 10_000_000), 1000)
    .addOption(new Option('--max-bytes <n>', 'refuse to write more').argParser(byteCount).default(2 ** 31, '2GiB'))
    .requiredOption('--out <file>', 'the safetensors file to write');
  withPart(withModelOptions(command)).action((model: string | undefined, options: Options) =>
    act(model, options, context),
  );
  examples(command, [
    'capture --hook attn.hook_pattern --layer 8-10 --text "Once upon a time" --out patterns.safetensors',
    'capture ./my-model --hook hook_out --position 0 --file page.txt --out first-token.safetensors',
    'capture model.gguf --hook "blocks.*.attn.hook_z" --head 0,3 --ids 1,2,3 --dtype float16 --out z.safetensors',
  ]);
}

async function act(name: string | undefined, options: Options, context: CommandContext): Promise<void> {
  const { terminal, signal } = context;
  const folder = dirname(resolve(options.out));
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new InputError(`--out ${options.out}: there is no folder ${folder}`);
  const opened = await openModel(name, options, context);
  await using model = opened.model;
  const input = await captureInput(model, options, opened, signal);
  const { B, T, S, form } = feed(model.stack, input.batch);
  const select = {
    ...(options.head ? { heads: options.head } : {}),
    ...(options.position ? { positions: options.position } : {}),
  };
  const plan = planCapture(model, {
    hooks: options.hook.map(everyLayer),
    ...(options.layer ? { layers: options.layer } : {}),
    ...select,
    ...{ B, T, S, form },
    width: options.dtype === 'float16' ? 2 : 4,
  });
  const cost = plan.reduce((total, { bytes: size }) => total + size, 0);
  checkCost(cost, plan, options);
  const fetched = options.dtype === 'float16' ? 2 * cost : cost;
  const watched = plan.some(({ name: hook }) => /hook_(attn_scores|pattern|sink)$/.test(hook));
  const wantsLogits = plan.some(({ name: hook }) => hook === 'unembed.hook_out');
  const read = 'pixels' in input.batch || 'features' in input.batch ? valuesOf(input.batch).length : 0;
  const { total } = estimateMemory(model, { B, T, S, read, watched, logits: wantsLogits, captured: fetched });
  const warning = checkMemory(total, 'this capture', 'choose fewer tokens (--tokens), or fewer --hook and --layer');
  const { files, text } = await describeFiles(opened, context);
  for (const line of [text, ...input.notes, ...(warning ? [warning] : [])]) terminal.err(`${line}\n`);
  terminal.err(
    `capture: ${tensorCount(plan)}, ${plainBytes(cost)} for ${B} × ${T} ${'ids' in input.batch ? 'tokens' : 'positions'}\n`,
  );

  const progress = new Progress(terminal);
  progress.show('running');
  const { captured } = await run(model, input.batch, {
    capture: plan.map(({ name: hook }) => hook),
    select,
    logits: wantsLogits,
  }).finally(() => progress.clear());
  signal.throwIfAborted();
  const tensors = new Map<string, TensorToWrite>(inputTensors(input, model));
  for (const { name: hook, shape } of plan)
    tensors.set(hook, {
      dtype: options.dtype === 'float16' ? 'F16' : 'F32',
      shape,
      values: () => {
        signal.throwIfAborted();
        return captured.get(hook)!.data as Float32Array;
      },
    });
  await writeSafetensors(options.out, tensors, captureMetadata(model, plan, input, files));
  terminal.out(`${escapeText(options.out)}: ${tensorCount(plan)}, ${plainBytes(cost)}\n`);
  for (const { name: hook, axes, shape } of plan.slice(0, 12))
    terminal.out(`  ${hook}  ${axes.map((axis, i) => `${axis} ${shape[i]}`).join(' × ')}\n`);
  if (plan.length > 12) terminal.out(`  and ${plan.length - 12} more\n`);
}

const tensorCount = ({ length }: readonly PlannedTensor[]) => `${length} tensor${length === 1 ? '' : 's'}`;

/** A place inside a block without a layer means every layer. */
function everyLayer(hook: string): string {
  return canonicalHook(hook) ?? canonicalHook(`blocks.*.${hook}`) ?? hook;
}

function checkCost(cost: number, plan: readonly PlannedTensor[], { maxBytes, dtype }: Options): void {
  if (cost <= maxBytes) return;
  const largest = plan.reduce((a, b) => (b.bytes > a.bytes ? b : a));
  const half = dtype === 'float32' ? ', --dtype float16' : '';
  throw new InputError(
    `capture: ${tensorCount(plan)} take ${plainBytes(cost)}, --max-bytes allows ${plainBytes(maxBytes)}; the largest is ${largest.name} with ${plainBytes(largest.bytes)}; choose with --layer, --head and --position${half}, or allow more with --max-bytes`,
  );
}

const valuesOf = (batch: PixelBatch | FeatureBatch) => ('pixels' in batch ? batch.pixels : batch.features);

/** What went in, under the names that `--input` reads. */
function inputTensors({ batch }: CaptureInput, { stack }: Model): [string, TensorToWrite][] {
  const floats = (name: string, shape: readonly number[], values: Float32Array): [string, TensorToWrite] => [
    `input.${name}`,
    { dtype: 'F32', shape, values },
  ];
  if ('pixels' in batch) return [floats('pixel_values', batch.shape, batch.pixels)];
  if ('features' in batch) return [floats('input_features', batch.shape, batch.features)];
  const integers = (name: string, rows: readonly (readonly number[])[] | undefined): [string, TensorToWrite][] =>
    rows
      ? [
          [
            `input.${name}`,
            {
              dtype: 'I64',
              shape: [rows.length, rows[0]!.length],
              values: BigInt64Array.from(rows.flat().map(BigInt)),
            },
          ],
        ]
      : [];
  const before = stack.part === 'decoder' ? 'decoder_' : '';
  const { ids, attentionMask, types, memory, given } = batch;
  const S = memory?.shape[1] ?? 0;
  const real = memory?.real && rowsOf(memory.real, memory.shape[0], S);
  return [
    ...integers(`${before}input_ids`, ids),
    ...integers(`${before}attention_mask`, attentionMask),
    ...integers('token_type_ids', types),
    ...(memory ? [floats('memory', memory.shape, memory.values)] : []),
    ...integers('memory_mask', real),
    ...(given ? [floats('image_hidden_states', given.shape, given.values)] : []),
  ];
}

const rowsOf = (flat: Uint8Array, B: number, S: number) =>
  Array.from({ length: B }, (_, b) => Array.from(flat.subarray(b * S, (b + 1) * S)));
