import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { InputError } from '../../error.ts';
import { renderTrainHtml } from '../../report/html/train.ts';
import { wrap } from '../../report/terminal/text.ts';
import type { TrainResult } from '../../report/train.schema.ts';
import { writeTrainJson } from '../../report/train-json.ts';
import { renderTrain } from '../../report/train-terminal.ts';
import { recipes } from '../../train/recipes/index.ts';
import { type CommandContext, examples, writeJsonResult, writeTextFile } from '../command.ts';
import type { Terminal } from '../terminal.ts';
import { runLanguageModelRecipe } from '../train-language-model.ts';
import { checkFlags, type TrainFlags, withTrainOptions } from '../train-options.ts';
import { runToy } from '../train-toy.ts';

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('train')
    .summary('when does a sink form? trains a toy, or a language model, and watches')
    .description(
      'Trains a recipe from nothing: a toy of the field, with the figures it is expected to show, or a small language model that every command opens. Without a recipe: lists them.',
    )
    .argument('[recipe]', 'name of a recipe');
  withTrainOptions(command).action((name: string | undefined, flags: TrainFlags) => act(name, flags, context));
  examples(command, [
    'train',
    'train trigger-averaging',
    'train trigger-averaging --no-bos --html page.html',
    'train tiny-text --out tiny && sinklab scan tiny/model',
    'train books --corpus books.txt.gz --validation held-out.txt.gz --out books',
    'train books --resume --out books',
  ]);
}

async function act(name: string | undefined, flags: TrainFlags, context: CommandContext): Promise<void> {
  const { terminal } = context;
  if (name === undefined) return terminal.out(recipeList(terminal));
  const recipe = recipes.find((one) => one.name === name);
  if (!recipe)
    throw new InputError(
      `train: there is no recipe ${JSON.stringify(name)}; there are ${recipes.map((one) => one.name).join(', ')}`,
    );
  checkFlags(recipe, flags);
  const result =
    recipe.kind === 'toy' ? await runToy(recipe, flags, context) : await runLanguageModelRecipe(recipe, flags, context);
  if (recipe.kind === 'toy' && flags.out !== undefined) await writeResults(flags.out, result, terminal);
  if (!(await writeJsonResult(flags.json, () => writeTrainJson(result), context)))
    terminal.out(renderTrain(result, terminal.paint));
  if (flags.html === undefined) return;
  await writeTextFile('--html', flags.html, await renderTrainHtml(result));
  terminal.err(`wrote ${flags.html}\n`);
}

function recipeList({ paint }: Terminal): string {
  const width = Math.max(...recipes.map(({ name }) => name.length)) + 2;
  const lines = recipes.flatMap(({ name, about }) =>
    wrap(about, paint.width, ' '.repeat(width), `${name.padEnd(width)}`),
  );
  return `${lines.join('\n')}\n\nsinklab train RECIPE trains one; sinklab train --help shows what can be changed.\n`;
}

async function writeResults(out: string, result: TrainResult, terminal: Terminal): Promise<void> {
  await mkdir(out, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`--out ${out}: cannot be made (${error.code})`);
  });
  await writeTextFile('--out', join(out, 'training.json'), writeTrainJson(result));
  await writeTextFile('--out', join(out, 'training.html'), await renderTrainHtml(result));
  terminal.err(`wrote ${join(out, 'training.json')} and ${join(out, 'training.html')}\n`);
}
