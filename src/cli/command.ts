import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { InputError } from '../error.ts';
import type { Terminal } from './terminal.ts';

/** What a command is given beside its options. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Exit code, 0 unless a command sets another. */
  exitCode: number;
}

/** Adds one command, with its options, help and action, to the program. */
export type Register = (program: Command, context: CommandContext) => void;

/** Examples under a command's help. */
export function examples(command: Command, lines: readonly string[]): void {
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ sinklab ${line}`).join('\n')}`);
}

/** Writes a file under a temporary name and renames it when it is complete. */
export async function writeTextFile(option: string, path: string, text: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, text, { flag: 'wx' });
    await rename(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(`${option} ${path}: cannot be written (${code ?? String(error)})`);
  }
}

/** Writes text files by their names into a folder, which is made where there is none; other files in it stay. */
export async function writeTextFolder(
  option: string,
  folder: string,
  files: ReadonlyMap<string, string>,
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(`${option} ${folder}: cannot be made (${code ?? String(error)})`);
  }
  for (const [name, text] of files) await writeTextFile(option, join(folder, name), text);
}

/** Hands over JSON as `--json [FILE]` asks; it is made only when it is asked for. @returns true when standard output is taken by it. */
export async function writeJsonResult(
  json: string | true | undefined,
  text: () => string,
  { terminal }: CommandContext,
): Promise<boolean> {
  if (json === undefined) return false;
  if (json === true) {
    terminal.out(text());
    return true;
  }
  await writeTextFile('--json', json, text());
  terminal.err(`wrote ${json}\n`);
  return false;
}
