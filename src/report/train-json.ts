import { LoadError } from '../error.ts';
import { escapeText } from './escape.ts';
import { write } from './json.ts';
import { type TrainResult, trainSchema } from './train.schema.ts';

/**
 * Writes a training run as JSON: integers in full, other numbers to 6 significant digits, one point of a curve on one line.
 *
 * @throws LoadError when the result does not fit its schema (a NaN, a missing field), so that no wrong file is written
 */
export function writeTrainJson(result: TrainResult): string {
  return `${write(checkTrainResult(result), '')}\n`;
}

/** Reads what `writeTrainJson` wrote; nothing in it is trusted. @throws LoadError naming the place and what is wrong there. */
export function parseTrainResult(json: string, name = 'training result'): TrainResult {
  const where = escapeText(name);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new LoadError(`${where}: expected JSON written by \`sinklab train --json\``);
  }
  return checkTrainResult(value, where);
}

function checkTrainResult(value: unknown, where = 'training result'): TrainResult {
  const { data, error } = trainSchema.safeParse(value);
  if (error !== undefined) {
    const { path, message } = error.issues[0]!;
    throw new LoadError(escapeText(`${where}: ${path.join('.') || 'the file'}: ${message}`));
  }
  for (const list of ['curve', 'watched', 'validation'] as const)
    data[list].forEach(({ step }, i) => {
      if (i > 0 && step <= data[list][i - 1]!.step)
        throw new LoadError(`${where}: ${list}.${i}.step: expected more than the step before, found ${step}`);
    });
  return data;
}
