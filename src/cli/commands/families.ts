import type { Command } from 'commander';
import { InputError } from '../../error.ts';
import { familyStatus } from '../../models/family-status.ts';
import { families } from '../../models/registry.ts';
import { type CommandContext, examples, writeJsonResult, writeTextFile } from '../command.ts';
import { familiesMarkdown, renderFamilies, renderSinks } from '../families-view.ts';
import { withJson } from '../options.ts';
import { version } from '../version.ts';

interface Options {
  readonly sinks?: boolean;
  readonly markdown?: string;
  readonly json?: string | true;
}

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('families')
    .summary('which models are read, how well each agrees with its reference, and what each does about sinks')
    .description(
      'All families of checkpoints: supported, partly or refused, the largest difference from the reference implementation, GGUF architectures, inputs, and what is missing. With --sinks: what takes the place of a sink in each, and where a checkpoint has it.',
    )
    .argument('[names...]', 'families or values of model_type; all of them where none is given')
    .option('--sinks', 'what each does about sinks, and where its sink logits sit')
    .option('--markdown <file>', 'write both tables as Markdown');
  withJson(command).action((names: string[], options: Options) => act(names, options, context));
  examples(command, ['families', 'families --sinks', 'families gpt_oss whisper', 'families --json families.json']);
}

async function act(names: readonly string[], options: Options, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const all = familyStatus(families);
  const is = (name: string) => (one: (typeof all)[number]) => one.name === name || one.modelTypes.includes(name);
  const strange = names.find((name) => !all.some(is(name)));
  if (strange !== undefined)
    throw new InputError(
      `families ${JSON.stringify(strange)}: there is no such family; \`sinklab families\` lists them`,
    );
  const shown = names.length === 0 ? all : all.filter((one) => names.some((name) => is(name)(one)));
  if (options.markdown !== undefined) {
    await writeTextFile('--markdown', options.markdown, familiesMarkdown(shown));
    terminal.err(`wrote ${options.markdown}\n`);
  }
  const json = () =>
    `${JSON.stringify({ schema: 'sinklab.families/1', sinklab: version, families: shown }, null, 1)}\n`;
  if ((await writeJsonResult(options.json, json, context)) || options.markdown !== undefined) return;
  terminal.out(options.sinks ? renderSinks(shown, terminal.paint) : renderFamilies(shown, terminal.paint));
}
