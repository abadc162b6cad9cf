import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { InputError, LoadError } from '../error.ts';
import { writeTextFile } from './command.ts';
import { settingFlags, type TrainFlags } from './train-options.ts';

const schema = z.strictObject({
  format: z.literal('sinklab.train-run/1'),
  recipe: z.string(),
  /** Flags that decide the run. */
  flags: z.record(z.string(), z.union([z.number(), z.string()])),
});

const deciding = [...settingFlags, 'seed', 'corpus', 'validation', 'cache'] as const;

/**
 * The flags of a run that goes on, from its folder; those given now must be the same. Throws an InputError where there is no run, or
 * where recipe or flags differ.
 */
export async function flagsOfRun(out: string, recipe: string, flags: TrainFlags): Promise<TrainFlags> {
  const saved = await readRun(out);
  if (!saved) throw new InputError(`train ${recipe} --resume: there is no run in ${out}; name its folder with --out`);
  if (saved.recipe !== recipe)
    throw new InputError(`train ${recipe} --resume: the run in ${out} is of recipe ${saved.recipe}; name that one`);
  for (const name of deciding)
    if (flags[name] !== undefined && flags[name] !== saved.flags[name])
      throw new InputError(
        `train ${recipe} --resume: ${name} ${flags[name]} was ${saved.flags[name] ?? "the recipe's own"} when the run began; leave it out, or begin anew with another --out`,
      );
  return { ...flags, ...saved.flags };
}

/** Throws an InputError where the folder holds a run already. */
export async function checkNoRun(out: string, recipe: string): Promise<void> {
  if (await readRun(out))
    throw new InputError(
      `train ${recipe}: there is a run in ${out} already; go on with it with --resume, or name another folder with --out`,
    );
}

/** Writes down what was asked for, once training has begun. */
export async function beginRun(out: string, recipe: string, flags: TrainFlags): Promise<void> {
  const kept = Object.fromEntries(deciding.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]])));
  const run = { format: 'sinklab.train-run/1', recipe, flags: kept };
  await writeTextFile('--out', join(out, 'run.json'), `${JSON.stringify(run, null, 2)}\n`);
}

async function readRun(out: string): Promise<z.infer<typeof schema> | undefined> {
  const path = join(out, 'run.json');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new LoadError(`${path}: cannot be read (${error.code})`);
  });
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new LoadError(`${path}: not JSON; remove the folder, or name another one with --out`);
  }
  const { data, error } = schema.safeParse(json);
  if (error) throw new LoadError(`${path}: ${error.issues[0]!.path.join('.')}: ${error.issues[0]!.message}`);
  return data;
}
