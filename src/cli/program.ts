import { Command, CommanderError } from 'commander';
import { SinklabError } from '../error.ts';
import { escapeText } from '../report/escape.ts';
import type { CommandContext } from './command.ts';
import { commands } from './commands/index.ts';
import type { Terminal } from './terminal.ts';
import { version } from './version.ts';

const lines = (text: string) => text.split('\n').map(escapeText).join('\n');

function createProgram(context: CommandContext): Command {
  const { terminal } = context;
  const program = new Command('sinklab')
    .description('A workbench for attention sinks in transformers: find them, explain them, check them.')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .showHelpAfterError('(--help shows what there is)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      outputError: (text, write) => write(lines(text).replace(/^error: /, 'sinklab: ')),
      getOutHelpWidth: () => terminal.paint.width,
      getErrHelpWidth: () => terminal.paint.width,
    });
  program.addHelpText(
    'after',
    '\nMODEL is a folder, a .safetensors or .gguf file, or a Hugging Face id (organisation/model).\n`sinklab COMMAND --help` shows options and examples.',
  );
  for (const register of commands) register(program, context);
  return program;
}

/**
 * Runs one command line.
 * @returns the exit code: 0, 1 for what a user can act on and for a check that does not hold, 2 for wrong usage, 130 when interrupted,
 * 70 for a bug of ours.
 */
export async function runCommandLine(
  args: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const context: CommandContext = { terminal, signal, exitCode: 0 };
  const program = createProgram(context);
  try {
    if (args.length === 0) {
      program.outputHelp({ error: true });
      return 2;
    }
    await program.parseAsync([...args], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (signal.aborted) return 130;
    if (error instanceof SinklabError) {
      terminal.err(`sinklab: ${escapeText(error.message)}\n`);
      return 1;
    }
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    terminal.err(
      `${lines(stack)}\nsinklab: this is a bug in sinklab ${version}; please report it with the lines above\n`,
    );
    return 70;
  }
}
