import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InputError } from '../error.ts';
import { number } from '../report/format.ts';
import { renderTrainHtml } from '../report/html/train.ts';
import type { TrainResult } from '../report/train.schema.ts';
import { writeTrainJson } from '../report/train-json.ts';
import { nodeRuntime } from '../runtime/node.ts';
import { writeHuggingFaceFolder } from '../train/hugging-face-folder-node.ts';
import { type LanguageModelRecipe, type LanguageModelSettings, settingsWith } from '../train/recipes/recipe.ts';
import { type LanguageModelOutcome, runLanguageModel } from '../train/recipes/run-language-model-node.ts';
import { prepareText, type TextData } from '../train/recipes/text-data-node.ts';
import { type CommandContext, writeTextFile } from './command.ts';
import { interruption } from './interruption.ts';
import { TrainLive } from './train-live.ts';
import { settingFlags, type TrainFlags } from './train-options.ts';
import { beginRun, checkNoRun, flagsOfRun } from './train-run-file.ts';
import { countOf, machine, runtimeOptions, tellTrainMemory } from './train-toy.ts';
import { version } from './version.ts';

/** Time to save after Ctrl-C. */
const patience = 120_000;

/**
 * Trains a language model into a folder: `model/` (an ordinary Hugging Face folder), `checkpoints/`, `data/`, `training.json` and
 * `training.html`. Stopped by Ctrl-C it saves, says how to go on, and sets the exit code to 130.
 */
export async function runLanguageModelRecipe(
  recipe: LanguageModelRecipe,
  given: TrainFlags,
  context: CommandContext,
): Promise<TrainResult> {
  const { terminal, signal } = context;
  const out = given.out ?? `sinklab-${recipe.name}`;
  const flags = given.resume ? await flagsOfRun(out, recipe.name, given) : absolute(given);
  if (recipe.corpus === 'named' && flags.corpus === undefined)
    throw new InputError(`train ${recipe.name}: name a text to train on with --corpus FILE (UTF-8, .gz too)`);
  const replaced = settingFlags.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]]));
  const settings = settingsWith(recipe, Object.fromEntries(replaced) as Partial<LanguageModelSettings>);
  const { seed = 0 } = flags;
  await makeFolder(out);
  if (!given.resume) await checkNoRun(out, recipe.name);

  const live = new TrainLive(terminal, signal);
  await using data = await prepareText({
    folder: flags.cache ?? join(out, 'data'),
    ...(flags.corpus === undefined ? {} : { corpus: flags.corpus }),
    ...(flags.validation === undefined ? {} : { validation: flags.validation }),
    ...{ vocabulary: settings.vocabulary, context: settings.context, seed, signal },
    progress: (what, share) => live.preparation.show(what, share),
  }).finally(() => live.clear());
  if (!data.validation) terminal.err('no text to validate on; name one with --validation FILE\n');

  await using runtime = nodeRuntime(runtimeOptions(flags));
  const before = interruption.patience;
  interruption.patience = patience;
  const { steps } = settings;
  const result = (outcome: Pick<LanguageModelOutcome, 'history'>, parameters: number): TrainResult => {
    const { seconds, ...history } = outcome.history;
    return {
      format: 'sinklab.train/1',
      sinklab: version,
      recipe: { name: recipe.name, about: recipe.about, kind: 'language model', source: null },
      settings: { ...settings, optimizer: 'AdamW, betas 0.9 and 0.95', schedule: 'linear warm-up, cosine to a tenth' },
      seed,
      steps: { done: history.points.at(-1)?.step ?? 0, asked: steps },
      curve: history.points,
      watched: history.watched,
      uniform: uniformAlpha(settings.context),
      validation: history.validation,
      verdicts: [],
      provenance: { data: [...data.sources], ...machine(runtime), parameters, seconds },
    };
  };
  const run = runLanguageModel({
    ...{ runtime, settings, every: recipe.every, data, seed, folder: out, resume: given.resume ?? false, signal },
    tellMemory: tellTrainMemory(terminal, 'give a smaller --batch, --context or --width'),
  });
  let begun = given.resume ?? false;
  try {
    for (;;) {
      const { value, done } = await run.next();
      // Not before: a run that is refused leaves nothing to go on with.
      if (!begun) await beginRun(out, recipe.name, flags);
      begun = true;
      if (done) {
        live.clear();
        const finished = result(value, countOf(value.state.parameters));
        await writeModel(out, recipe, value, data, finished, flags.dtype);
        await writeResults(out, finished);
        tell(out, recipe, finished, context);
        return finished;
      }
      const { step, secondsLeft, history, parameters, saves } = value;
      live.show({ ...history, recipe: recipe.name, step, steps, secondsLeft, curve: history.points });
      // For whoever looks on; at the end the results are written anyway.
      if (saves && step < steps) await writeResults(out, result(value, parameters));
    }
  } finally {
    live.clear();
    interruption.patience = before;
  }
}

/** Where the work stands, and how it goes on. */
function tell(out: string, { name }: LanguageModelRecipe, { steps }: TrainResult, context: CommandContext): void {
  const { terminal } = context;
  terminal.err(`wrote ${join(out, 'model')}, ${join(out, 'training.json')} and ${join(out, 'training.html')}\n`);
  if (steps.done >= steps.asked) return;
  context.exitCode = 130;
  const quoted = /^[\w./-]+$/.test(out) ? out : JSON.stringify(out);
  terminal.err(
    `saved at step ${steps.done} of ${steps.asked}; go on with: sinklab train ${name} --resume --out ${quoted}\n`,
  );
}

async function writeModel(
  out: string,
  recipe: LanguageModelRecipe,
  { config, state }: LanguageModelOutcome,
  data: TextData,
  result: TrainResult,
  dtype: TrainFlags['dtype'] = 'float32',
): Promise<void> {
  await writeHuggingFaceFolder(join(out, 'model'), {
    ...{ config, parameters: state.parameters, replace: true, dtype: dtype === 'float16' ? 'F16' : 'F32' },
    files: { ...data.tokenizerFiles, 'README.md': card(recipe, result) },
  });
}

async function writeResults(out: string, result: TrainResult): Promise<void> {
  await writeTextFile('--out', join(out, 'training.json'), writeTrainJson(result));
  await writeTextFile('--out', join(out, 'training.html'), await renderTrainHtml(result));
}

/** Mean of 1/t over the queries of a sequence: their attention to the first token if all keys were attended to alike. */
const uniformAlpha = (T: number) => Array.from({ length: T }, (_, t) => 1 / (t + 1) / T).reduce((a, b) => a + b, 0);

/** A short model card. */
function card({ name }: LanguageModelRecipe, { steps, seed, curve, validation, provenance }: TrainResult): string {
  const valid = validation.at(-1);
  const [loss] = [curve.at(-1)?.loss];
  return [
    `# Trained with \`sinklab train ${name}\``,
    '',
    `- ${provenance.parameters} parameters, seed ${seed}, ${steps.done} of ${steps.asked} steps`,
    ...(loss === undefined ? [] : [`- training loss ${number(loss)} nats per token at the last step`]),
    ...(valid ? [`- validation perplexity ${number(valid.perplexity)} at step ${valid.step}`] : []),
    ...provenance.data.map(({ role, name, sha256 }) => `- ${role}: ${JSON.stringify(name)}, SHA-256 ${sha256}`),
    '',
    'Every sequence it was trained on begins with BOS. A small model for experiments, not for use as a source of text.',
    '',
  ].join('\n');
}

/** Paths as they can be found again from another folder. */
function absolute(flags: TrainFlags): TrainFlags {
  const paths = (['corpus', 'validation', 'cache'] as const).flatMap((name) =>
    flags[name] === undefined ? [] : [[name, resolve(flags[name])]],
  );
  return { ...flags, ...Object.fromEntries(paths) };
}

async function makeFolder(out: string): Promise<void> {
  try {
    await mkdir(out, { recursive: true });
  } catch (error) {
    throw new InputError(`--out ${out}: cannot be made (${(error as NodeJS.ErrnoException).code})`);
  }
}
