import { type Command, InvalidArgumentError, Option } from 'commander';

/** A whole number from `min` to `max`. */
export function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`);
  };
}

/** A number above 0. */
export function positive(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value > 0 && value < Number.POSITIVE_INFINITY) return value;
  throw new InvalidArgumentError('expected a number above 0, such as 1e-4');
}

/** `0,3-5` as [0, 3, 4, 5]; repeated options add up. */
export function indices(text: string, before: readonly number[] = []): number[] {
  const found = text.split(',').flatMap((part) => {
    const [, from, to = from] = /^\s*(\d{1,7})(?:\s*[-–]\s*(\d{1,7}))?\s*$/.exec(part) ?? [];
    const [first, last] = [Number(from), Number(to)];
    if (from === undefined || last < first || last - first > 1_000_000)
      throw new InvalidArgumentError('expected indices from 0 such as 0,3-5');
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return [...new Set([...before, ...found])].sort((a, b) => a - b);
}

const units: Record<string, number> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

/** `500MB`, `2GiB` or a number of bytes. */
export function byteCount(text: string): number {
  const [, amount, unit] = /^\s*(\d+(?:\.\d+)?)\s*(|[kmgt]i?)b?\s*$/i.exec(text) ?? [];
  if (amount === undefined) throw new InvalidArgumentError('expected a number of bytes such as 500MB or 2GiB');
  return Math.floor(Number(amount) * units[unit!.toLowerCase()]!);
}

/** Options of every command that opens a model. */
export interface ModelOptions {
  readonly threads?: number;
  readonly device: 'cpu';
  readonly revision?: string;
  readonly offline?: boolean;
  readonly verbose?: boolean;
  /** Which stack of a checkpoint that has several. */
  readonly part?: string;
}

/** Adds the options of every command that opens a model. */
export function withModelOptions(command: Command): Command {
  return command
    .addOption(new Option('--threads <n>', 'threads of one operator (default: all cores)').argParser(whole(1, 1024)))
    .addOption(new Option('--device <name>', 'where to run').choices(['cpu']).default('cpu'))
    .option('--revision <name>', 'branch, tag or commit of a hub model')
    .option('--offline', 'look into the hub cache only')
    .option('--verbose', "show the runtime's own warnings");
}

/** `--part`: which stack of a checkpoint that has several. */
export function withPart(command: Command): Command {
  return command.option(
    '--part <name>',
    'which stack of a checkpoint that has several: encoder or decoder, text or vision, language (default: the main one)',
  );
}

/** `--json [FILE]`: the result as JSON to a file, or to standard output and nothing else there. */
export function withJson(command: Command): Command {
  return command.option(
    '--json [file]',
    'write the result as JSON; without FILE to standard output, and nothing else there',
  );
}

export const modelArgument = 'folder, .safetensors or .gguf file, or Hugging Face id';
