import { escapeText } from './escape.ts';
import { number } from './format.ts';
import type { PoliciesReport } from './policies.schema.ts';
import { explodes, lossCurve } from './policies-curves.ts';
import { depthTitle, needleTable, policyColumns } from './policies-figures.ts';
import { comparisonWords, needleSentences, policySentences, timeWords } from './policies-words.ts';
import { type Paint, spark } from './terminal/paint.ts';
import { padEnd, table, wrap } from './terminal/text.ts';

/** Table, losses over the text, facts found again, and what was evicted. */
export function renderPolicies(report: PoliciesReport, it: Paint): string {
  const { bold } = it.style;
  const { policies, figures } = report;
  const columns = policyColumns(report).map((column) => ({
    ...{ title: escapeText(column.title), cell: column.cell },
    ...(column.text ? { least: 12 } : { align: 'right' as const }),
    ...(column.title === 'with its sizes'
      ? { drop: 2 }
      : column.title === 'allocated'
        ? { drop: 3 }
        : column.title === 'tokens'
          ? { drop: 1 }
          : {}),
  }));
  const lines = [
    bold('Cache policies over the same text'),
    ...comparisonWords(report).flatMap((words) => wrap(words, it.width)),
    '',
    ...table(
      columns,
      figures.map((row, i) => columns.map(({ cell }) => escapeText(cell(row, policies[i]!).replaceAll('\u00a0', ' ')))),
      it.width,
    ),
    '',
    bold('Loss over the text'),
    ...sparks(report, it),
    ...needles(report, it),
    '',
    bold('What was evicted'),
    ...policySentences(report).flatMap((sentence) => wrap(sentence, it.width, '  ', '')),
    '',
    timeWords(report),
  ];
  return `${lines.join('\n').replaceAll('\u00a0', ' ')}\n`;
}

function sparks({ policies }: PoliciesReport, it: Paint): string[] {
  const curves = policies.map(lossCurve);
  const values = curves.flat().flatMap(({ value }) => (Number.isFinite(value) ? [value] : []));
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const log = explodes(curves, 3);
  const names = policies.map(({ label }) => escapeText(label));
  const side = Math.max(...names.map((name) => name.length));
  // A curve with few points is drawn as long as the others.
  const widest = Math.max(...curves.map(({ length }) => length));
  return [
    ...curves.map((curve, i) => {
      const drawn = Array.from({ length: widest }, (_, x) => curve[Math.floor((x * curve.length) / widest)]!.value);
      return `${padEnd(names[i]!, side)}  ${spark(drawn, least, most, log, Math.max(20, it.width - side - 2))}`;
    }),
    it.style.dim(`${number(least)} to ${number(most)} nats${log ? ', logarithmic' : ''}`),
  ];
}

function needles(report: PoliciesReport, it: Paint): string[] {
  const { depths, rows } = needleTable(report);
  if (depths.length === 0) return [];
  return [
    '',
    it.style.bold('Facts found again'),
    ...wrap(
      'A five-digit code, asked for at the end: how often greedy decoding gives it, and its log probability.',
      it.width,
    ),
    ...table(
      [{ title: 'policy' }, ...depths.map((depth) => ({ title: `at ${depthTitle(depth)}`, align: 'right' as const }))],
      rows.map((row) => row.map(escapeText)),
      it.width,
    ),
    ...needleSentences(report).flatMap((sentence) => wrap(sentence, it.width, '  ', '')),
  ];
}
