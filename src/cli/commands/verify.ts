import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Command, Option } from 'commander';
import { InputError } from '../../error.ts';
import { openFile } from '../../load/bytes-node.ts';
import type { ResolvedModel } from '../../load/resolve-model-node.ts';
import { openSafetensorsFile } from '../../load/safetensors-file.ts';
import { estimateMemory } from '../../models/memory.ts';
import { type LoweringName, verify } from '../../models/verify.ts';
import { escapeText } from '../../report/escape.ts';
import { type CommandContext, examples, writeJsonResult } from '../command.ts';
import { checkMemory } from '../memory.ts';
import { describeFiles, describeRun, openModel } from '../open.ts';
import { type ModelOptions, modelArgument, positive, withJson, withModelOptions } from '../options.ts';
import { renderVerify, verifyJson } from '../verify-view.ts';
import { version } from '../version.ts';

interface Options extends ModelOptions {
  readonly against?: string;
  readonly tolerance: number;
  readonly logitsTolerance: number;
  readonly lowering: LoweringName | 'both';
  readonly json?: string | true;
}

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('verify')
    .summary('does it compute what the reference implementation computes?')
    .description(
      'Compares the model with a file of values that its reference implementation computed, layer by layer: hidden states, input and output of attention, patterns, learned-sink mass, logits. Exit code 1 when anything differs.',
    )
    .argument('<model>', modelArgument)
    .option(
      '--against <file>',
      "expected values (default: NAME.expected.safetensors beside a GGUF file, else expected.safetensors in the model's folder)",
    )
    .option('--tolerance <number>', 'holds where |a − b| ≤ tolerance · max(1, |b|)', positive, 1e-4)
    .option('--logits-tolerance <number>', 'the same for logits', positive, 2e-4)
    .addOption(
      new Option('--lowering <which>', 'attention step by step, as one fused operator, or one after the other')
        .choices(['both', 'watched', 'fast'])
        .default('both'),
    );
  withJson(withModelOptions(command)).action((model: string, options: Options) => act(model, options, context));
  examples(command, [
    'verify ./my-model',
    'verify model.gguf --against expected.safetensors --lowering watched',
    'verify ./my-model --json report.json',
  ]);
}

async function act(name: string, options: Options, context: CommandContext): Promise<void> {
  const { terminal, signal } = context;
  const opened = await openModel(name, options, context, 'none');
  await using model = opened.model;
  const path = options.against ?? (await besides(opened.resolved));
  const reference = await openSafetensorsFile(await openFile(path));
  try {
    const [B = 1, T = 1] = reference.tensors.get('input.input_ids')?.shape ?? [];
    const { total } = estimateMemory(model, {
      B,
      T,
      captured: [...reference.tensors.values()].reduce((n, t) => n + t.bytes, 0),
    });
    const warning = checkMemory(total, `verifying ${escapeText(name)}`, 'use a smaller model or a shorter reference');
    if (warning) terminal.err(`${warning}\n`);
    const { files, text } = await describeFiles(opened, context);
    terminal.err(`${text}\n`);
    const result = await verify(model, reference, { ...options, signal });
    const about = {
      sinklab: version,
      source: opened.resolved.source,
      family: model.stack.family,
      files,
      reference: path,
      run: describeRun(model),
    };
    if (!(await writeJsonResult(options.json, () => verifyJson(result, about), context)))
      terminal.out(renderVerify(result, about, terminal.paint));
    if (!result.holds) context.exitCode = 1;
  } finally {
    await reference.close();
  }
}

/** The expected values that lie beside a model. */
async function besides({ kind, path, source }: ResolvedModel): Promise<string> {
  const folder = kind === 'folder' ? path : dirname(path);
  const places = [join(folder, 'expected.safetensors')];
  if (kind === 'gguf') places.unshift(join(folder, `${basename(path).replace(/\.gguf$/i, '')}.expected.safetensors`));
  for (const place of places) if (await stat(place).catch(() => undefined)) return place;
  throw new InputError(
    `verify ${source}: there is no ${places.map((place) => basename(place)).join(' or ')} beside it; name the file of expected values with --against`,
  );
}
