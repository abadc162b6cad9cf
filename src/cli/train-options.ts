import { type Command, InvalidArgumentError, Option } from 'commander';
import { InputError } from '../error.ts';
import type { LanguageModelSettings, Recipe } from '../train/recipes/recipe.ts';
import { positive, whole, withJson } from './options.ts';

/** What `sinklab train` was given; undefined where it was not. */
export interface TrainFlags extends Partial<LanguageModelSettings> {
  readonly seed?: number;
  readonly bos: boolean;
  readonly corpus?: string;
  readonly validation?: string;
  readonly cache?: string;
  readonly out?: string;
  readonly resume?: boolean;
  /** Type of the weights in the model's folder. */
  readonly dtype?: 'float32' | 'float16';
  readonly threads?: number;
  readonly verbose?: boolean;
  readonly json?: string | true;
  readonly html?: string;
}

const decayOf = (text: string): number => {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 0 && value < 1) return value;
  throw new InvalidArgumentError('expected a number from 0 to below 1, such as 0.1');
};

/** Flags of every recipe, of language models alone, and of toys alone. */
const forAll = [
  'steps',
  'batch',
  'learningRate',
  'decay',
  'seed',
  'threads',
  'verbose',
  'out',
  'json',
  'html',
] as const;
const sizes = ['vocabulary', 'width', 'layers', 'heads', 'feedForward', 'context'] as const;
const forModels = [...sizes, 'warmUp', 'clip', 'corpus', 'validation', 'cache', 'resume', 'dtype'] as const;
/** Settings of a language model that flags replace. */
export const settingFlags = [...sizes, 'steps', 'batch', 'learningRate', 'warmUp', 'decay', 'clip'] as const;

export function withTrainOptions(command: Command): Command {
  const count = (flag: string, text: string, min: number, max: number) => command.option(flag, text, whole(min, max));
  count('--steps <n>', 'updates in all', 1, 100_000_000);
  count('--batch <n>', 'sequences of a step', 1, 65_536);
  command.option('--learning-rate <number>', 'largest learning rate', positive);
  command.option('--decay <number>', 'weight decay (decoupled)', decayOf);
  count('--seed <n>', 'seed of everything random (default: 0)', 0, 2 ** 31 - 1);
  command.option('--no-bos', 'toys: without BOS, where softmax attention has no place to rest');
  command.option('--corpus <file>', 'language models: text to train on (UTF-8, .gz too)');
  command.option('--validation <file>', 'language models: text to validate on');
  count('--vocabulary <n>', 'language models: tokens of the BPE that is trained on the text', 258, 65_536);
  count('--width <n>', 'language models: model width M', 2, 8192);
  count('--layers <n>', 'language models: L', 1, 256);
  count('--heads <n>', 'language models: H', 1, 256);
  count('--feed-forward <n>', 'language models: F (default: in proportion to the width)', 1, 65_536);
  count('--context <n>', 'language models: tokens of a sequence, BOS included', 2, 65_536);
  count('--warm-up <n>', 'language models: steps of linear warm-up', 0, 100_000_000);
  command.option('--clip <number>', 'language models: largest norm of the gradient', positive);
  command.option(
    '--out <folder>',
    'where the model, checkpoints and results go (language models: default ./sinklab-RECIPE)',
  );
  command.option('--cache <folder>', 'language models: where tokenizer and encoded text are kept (default: OUT/data)');
  command.option('--resume', 'language models: go on with the run in OUT');
  command.addOption(
    new Option(
      '--dtype <type>',
      "language models: type of the weights in the model's folder (default: float32)",
    ).choices(['float32', 'float16']),
  );
  command.addOption(
    new Option('--threads <n>', 'threads of one operator (default: all cores)').argParser(whole(1, 1024)),
  );
  command.option('--verbose', "show the runtime's own warnings");
  return withJson(command.option('--html <file>', 'write the curves as one self-contained page'));
}

const spelled = (flag: string) => `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Throws an InputError that names the first flag that means nothing to a recipe, with those that do. */
export function checkFlags(recipe: Recipe, flags: TrainFlags): void {
  const bytes = recipe.kind === 'language model' && recipe.tokens === 'bytes';
  const known: readonly string[] =
    recipe.kind === 'toy' ? forAll : [...forAll, ...forModels].filter((name) => !(bytes && name === 'vocabulary'));
  const mayLackBos = recipe.kind === 'toy' && recipe.bos;
  const given = Object.entries(flags).filter(
    ([name, value]) => value !== undefined && (name !== 'bos' || value === false),
  );
  for (const [name] of given) {
    if (name === 'bos' ? mayLackBos : known.includes(name)) continue;
    const takes = [...known.map(spelled), ...(mayLackBos ? ['--no-bos'] : [])].join(' ');
    throw new InputError(
      `train ${recipe.name}: ${name === 'bos' ? '--no-bos' : spelled(name)} means nothing to this recipe; it takes ${takes}`,
    );
  }
}
