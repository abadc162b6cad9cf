import type { Command } from 'commander';
import { inspect } from '../../models/inspect.ts';
import { machineMemory } from '../../runtime/memory-node.ts';
import { type CommandContext, examples, writeJsonResult } from '../command.ts';
import { infoJson, renderInfo } from '../info-view.ts';
import { describeFiles, openModel } from '../open.ts';
import { type ModelOptions, modelArgument, whole, withJson, withModelOptions, withPart } from '../options.ts';
import { version } from '../version.ts';

interface Options extends ModelOptions {
  readonly tokens: number;
  readonly hash?: boolean;
  readonly json?: string | true;
}

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('info')
    .summary('what is in a checkpoint, without running it')
    .description(
      'The model as a tree with shapes by axis letters, its hook points, parameters, stored types, memory, windows, learned sinks, RoPE, and what a capture of each hook point would cost. Nothing is run.',
    )
    .argument('[model]', `${modelArgument} (default: SmolLM2-135M-Instruct)`)
    .option('--tokens <n>', 'length of the text that costs are given for', whole(1, 10_000_000), 1000)
    .option('--hash', 'SHA-256 of the weight files (reads them whole)');
  withJson(withPart(withModelOptions(command))).action((model: string | undefined, options: Options) =>
    act(model, options, context),
  );
  examples(command, [
    'info',
    'info ./my-model --tokens 8192',
    'info ./whisper-tiny.en --part encoder',
    'info model.gguf --hash --json info.json',
  ]);
}

async function act(name: string | undefined, options: Options, context: CommandContext): Promise<void> {
  const opened = await openModel(name, options, context, 'none');
  await using model = opened.model;
  const description = inspect(model, { tokens: options.tokens });
  const files = options.hash ? (await describeFiles(opened, context)).files : undefined;
  const about = { sinklab: version, memory: machineMemory(), ...(files ? { files } : {}) };
  if (!(await writeJsonResult(options.json, () => infoJson(description, about), context)))
    context.terminal.out(renderInfo(description, about, context.terminal.paint));
}
