import { integer, largest, number, percent } from './format.ts';
import type { TrainResult } from './train.schema.ts';

/** `1 h 29 min`, `4 min 10 s`, `12 s`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const whole = Math.round(seconds);
  const [h, min, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (h > 0) return `${h}\u00a0h ${min}\u00a0min`;
  return min > 0 ? `${min}\u00a0min ${s}\u00a0s` : `${s}\u00a0s`;
}

/** `at least 0.95`, `at most 0.05`. */
export function expected({ least, most }: { least?: number | undefined; most?: number | undefined }): string {
  const parts = [
    ...(least === undefined ? [] : [`at least ${number(least)}`]),
    ...(most === undefined ? [] : [`at most ${number(most)}`]),
  ];
  return parts.join(', ');
}

/** The run in a few sentences. */
export function trainSummary(result: TrainResult): string[] {
  const { curve, watched, validation, verdicts, steps, provenance, recipe } = result;
  const [first, last] = [curve[0], curve.at(-1)];
  const sentences: string[] = [];
  if (first && last) {
    const done = steps.done < steps.asked ? ` of ${integer(steps.asked)}` : '';
    sentences.push(
      `${integer(steps.done)}${done} steps in ${duration(provenance.seconds)}: the loss went from ${number(first.loss)} to ${number(last.loss)}.`,
    );
  }
  const valid = validation.at(-1);
  if (valid)
    sentences.push(
      `Validation perplexity ${number(valid.perplexity)} at step ${integer(valid.step)} (${number(valid.loss)} nats a token, ${integer(valid.tokens)} tokens).`,
    );
  const look = watched.at(-1);
  if (look)
    sentences.push(
      `At step ${integer(look.step)}, ${percent(look.sinkRate)} of heads have a sink on the first token (ε 0.3, training texts); the largest activation is ${number(largest(look.largestRatio))} × the mean.`,
    );
  if (recipe.kind === 'toy') {
    const shown = verdicts.filter((verdict) => verdict.shown).length;
    sentences.push(`${shown} of ${verdicts.length} expectations shown.`);
  }
  return sentences;
}
