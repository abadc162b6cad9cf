import { escapeText } from './escape.ts';
import { integer, largest, number, percent } from './format.ts';
import { type Paint, spark } from './terminal/paint.ts';
import { cut, table, wrap } from './terminal/text.ts';
import type { TrainResult } from './train.schema.ts';
import { duration, expected, trainSummary } from './train-words.ts';

/** Where a run stands, for a line or a few. */
export interface TrainStand {
  readonly recipe: string;
  readonly step: number;
  readonly steps: number;
  readonly secondsLeft: number;
  readonly curve: TrainResult['curve'];
  readonly watched: TrainResult['watched'];
  readonly validation: TrainResult['validation'];
}

/** Columns of the names on the left. */
const nameWidth = 16;

interface Row {
  readonly name: string;
  readonly value: string;
  /** What the bars are of. */
  readonly values: readonly number[];
  readonly after?: string;
  /** Bars from 0 to 1; else from the least to the largest value. */
  readonly share?: boolean;
}

function rowsOf({ curve, watched, validation }: TrainStand): Row[] {
  const last = curve.at(-1)!;
  const losses = curve.map(({ loss }) => loss);
  const rows: Row[] = [
    { name: 'loss', value: number(last.loss), values: losses, after: `gradient ${number(last.gradientNorm)}` },
  ];
  const valid = validation.at(-1);
  if (valid) {
    const values = validation.map(({ perplexity }) => perplexity);
    rows.push({ name: 'validation', value: number(valid.perplexity), values, after: 'perplexity' });
  }
  const look = watched.at(-1);
  if (look) {
    const rates = watched.map(({ sinkRate }) => sinkRate);
    const byLayer = look.sinkRateByLayer.map((rate) => Math.round(rate * 100)).join(' ');
    const after = `by layer, %: ${byLayer}`;
    rows.push({ name: 'sink rate', value: percent(look.sinkRate), values: rates, after, share: true });
    const ratios = watched.map(({ largestRatio }) => largest(largestRatio));
    rows.push({
      name: 'largest',
      value: `${number(ratios.at(-1)!)} ×`,
      values: ratios,
      after: '|residual| over its mean',
    });
  }
  for (const [name, value] of Object.entries(last.metrics ?? {}))
    rows.push({
      name: escapeText(name),
      value: number(value),
      values: curve.map(({ metrics }) => metrics?.[name] ?? Number.NaN),
    });
  return rows;
}

/** The stand of a run in a few lines, none wider than the terminal. */
export function standLines(stand: TrainStand, it: Paint): string[] {
  const { step, steps } = stand;
  const { tokensPerSecond } = stand.curve.at(-1)!;
  const head = [
    escapeText(stand.recipe),
    `step ${integer(step)} of ${integer(steps)} (${percent(step / steps, 0)})`,
    ...(tokensPerSecond === null ? [] : [`${integer(tokensPerSecond)} tokens/s`]),
    `${duration(stand.secondsLeft)} left`,
  ];
  const width = Math.max(10, Math.min(48, it.width - 52));
  const rows = rowsOf(stand).map(({ name, value, values, after = '', share = false }) => {
    const bars = share ? spark(values, 0, 1, false, width) : curveOf(values, width);
    const line = cut(
      `${name.slice(0, nameWidth).padEnd(nameWidth)} ${value.padStart(8)}  ${bars}  ${after}`.trimEnd(),
      it.width,
    );
    return it.style.dim(line.slice(0, nameWidth)) + line.slice(nameWidth);
  });
  return [cut(head.join(' · '), it.width), ...rows];
}

/** The same in one line, for a log. */
export function standLine(stand: TrainStand): string {
  const last = stand.curve.at(-1)!;
  const valid = stand.validation.at(-1);
  const look = stand.watched.at(-1);
  return [
    `step ${stand.step} of ${stand.steps}`,
    `loss ${number(last.loss)}`,
    ...Object.entries(last.metrics ?? {}).map(([name, value]) => `${name} ${number(value)}`),
    ...(valid ? [`validation perplexity ${number(valid.perplexity)}`] : []),
    ...(look ? [`sink rate ${percent(look.sinkRate)}`, `largest ${number(largest(look.largestRatio))} × mean`] : []),
    ...(last.tokensPerSecond === null ? [] : [`${integer(last.tokensPerSecond)} tokens/s`]),
    `${duration(stand.secondsLeft)} left`,
  ].join(' · ');
}

/** A finished run. */
export function renderTrain(result: TrainResult, it: Paint): string {
  const { bold, green, yellow } = it.style;
  const { recipe, curve, verdicts } = result;
  const lines = [bold(escapeText(recipe.name)), ...wrap(escapeText(recipe.about), it.width), ''];
  if (curve.length > 0) {
    const stand = {
      ...result,
      recipe: recipe.name,
      step: result.steps.done,
      steps: result.steps.asked,
      secondsLeft: 0,
    };
    lines.push(...standLines(stand, it).slice(1), '');
  }
  for (const sentence of trainSummary(result)) lines.push(...wrap(sentence, it.width));
  if (verdicts.length > 0) {
    const [head, ...rows] = table(
      [
        { title: '' },
        { title: 'found', align: 'right' },
        { title: 'expected' },
        { title: 'figure' },
        { title: 'what it is', least: 12 },
      ],
      verdicts.map((verdict) => [
        verdict.shown ? 'shown' : 'not shown',
        number(verdict.found, 4),
        expected(verdict),
        escapeText(verdict.metric),
        escapeText(verdict.about),
      ]),
      it.width,
    );
    const colour = (line: string) =>
      line.replace(/^(not shown|shown)/, (word) => (word === 'shown' ? green : yellow)(word));
    lines.push('', head!, ...rows.map(colour));
  }
  return `${lines.join('\n')}\n`;
}

/** On a log scale where every value is above 0. */
function curveOf(values: readonly number[], width: number): string {
  const known = values.filter(Number.isFinite);
  const least = Math.min(...known);
  return spark(values, least, largest(known), least > 0, width);
}
