import type { SourceFile } from '../load/checkpoint.ts';
import type { LoweringName, TensorComparison, VerifyResult } from '../models/verify.ts';
import { referenceKinds } from '../models/verify-reference.ts';
import { escapeText } from '../report/escape.ts';
import { integer } from '../report/format.ts';
import type { Paint } from '../report/terminal/paint.ts';
import { table, wrap } from '../report/terminal/text.ts';

export interface VerifyContext {
  readonly sinklab: string;
  readonly source: string;
  readonly family: string;
  readonly files: readonly SourceFile[];
  readonly reference: string;
  readonly run: { readonly runtime: string; readonly device: string; readonly threads: number };
}

/** How many tensors of one kind were compared under one lowering, and the worst of them. */
interface KindSummary {
  readonly lowering: LoweringName;
  readonly input: 'plain' | 'padded';
  readonly kind: string;
  /** Of checkpoints with several stacks. */
  readonly part?: string;
  readonly tensors: number;
  readonly values: number;
  readonly worst: TensorComparison;
  readonly differ: number;
}

const inputOf = ({ tensor }: TensorComparison) => (tensor.startsWith('padded.') ? 'padded' : 'plain');

/** One entry for each lowering, input and kind. */
export function summarise(comparisons: readonly TensorComparison[]): KindSummary[] {
  const groups = new Map<string, TensorComparison[]>();
  for (const one of comparisons) {
    const key = `${one.lowering} ${inputOf(one)} ${one.part} ${one.kind}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()]
    .map((group) => ({
      lowering: group[0]!.lowering,
      input: inputOf(group[0]!) as KindSummary['input'],
      kind: group[0]!.kind,
      ...(group[0]!.part === undefined ? {} : { part: group[0]!.part }),
      tensors: group.length,
      values: group.reduce((total, { values }) => total + values, 0),
      worst: group.reduce((a, b) => (b.largest > a.largest ? b : a)),
      differ: group.filter(({ holds }) => !holds).length,
    }))
    .sort(
      (a, b) =>
        ['watched', 'fast'].indexOf(a.lowering) - ['watched', 'fast'].indexOf(b.lowering) ||
        (a.input === b.input ? 0 : a.input === 'plain' ? -1 : 1) ||
        referenceKinds.indexOf(a.kind as never) - referenceKinds.indexOf(b.kind as never),
    );
}

const size = (value: number) => (Number.isFinite(value) ? (value === 0 ? '0' : value.toExponential(1)) : '∞');
const where = ({ layer, tensor, kind, part }: TensorComparison) => {
  const tells = part === undefined ? '' : `${part}, `;
  const name = tells + (kind === 'rows + sink' ? `rows + sink of ${tensor}` : tensor);
  return layer === undefined ? name : `layer ${layer}, ${name}`;
};

/** Differences below so many float32 roundings of the largest value of the row may be noise. */
const roundingSteps = 16;

/** What the first difference is, in plain words. */
export function describeFirst(result: VerifyResult): string[] {
  const { first, suspects } = result;
  if (!first) return [];
  const limit = first.kind === 'logits' ? result.logitsTolerance : result.tolerance;
  const found =
    first.problem ??
    `differs by ${size(first.largest)} · max(1, |b|), allowed ${size(limit)}: ${first.ours} where ${first.expected} is expected`;
  const at = first.index.length > 0 ? ` at [${first.index.join(', ')}]` : '';
  const steps = Math.abs(first.ours - first.expected) / (first.rowLargest * 2 ** -24);
  const lines = [`First difference: ${where(first)} (${first.lowering} lowering) ${found}${at}.`];
  if (suspects.length > 0) lines.push(`Weights read since the last values that hold: ${suspects.join(', ')}.`);
  else if (first.lowering === 'fast') lines.push('The watched lowering holds there: only the fused attention differs.');
  if (first.problem === undefined && steps < roundingSteps)
    lines.push(
      `It is ${steps.toFixed(0)} roundings (2⁻²⁴) of the largest value beside it, ${first.rowLargest.toPrecision(4)}: float32 in another order of sums can differ by as much. A higher --tolerance settles it.`,
    );
  return lines;
}

/** A verification as text for a terminal. */
export function renderVerify(result: VerifyResult, { source, family, reference }: VerifyContext, it: Paint): string {
  const rows = summarise(result.comparisons);
  const failures = [
    ...describeFirst(result),
    ...list('Missing from the reference', result.missing),
    ...list('The model has no place for', result.misplaced),
    ...(rows.some(({ values }) => values > 0) ? [] : ['Nothing was compared.']),
  ];
  const verdict = result.holds ? it.style.green('holds') : it.style.red('DIFFERS');
  const compared = rows.reduce((total, { values }) => total + values, 0);
  const tensors = rows.reduce((total, row) => total + row.tensors, 0);
  const tied = Math.max(0, ...result.comparisons.map((one) => one.tied ?? 0));
  return [
    `${it.style.bold(escapeText(source))} (${escapeText(family)}) against ${escapeText(reference)}`,
    '',
    ...table(
      [
        { title: 'lowering' },
        { title: 'input' },
        { title: 'kind' },
        { title: 'tensors', align: 'right', drop: 1 },
        { title: 'values', align: 'right', drop: 2 },
        { title: 'largest', align: 'right' },
        { title: 'in', least: 8 },
        { title: '' },
      ],
      rows.map((row) => [
        row.lowering,
        row.input,
        row.part === undefined ? row.kind : `${row.part}: ${row.kind}`,
        String(row.tensors),
        integer(row.values),
        size(row.worst.largest),
        escapeText(row.worst.tensor),
        row.differ > 0 ? `${row.differ} differ` : '',
      ]),
      it.width,
    ),
    '',
    ...failures.flatMap((line) => wrap(escapeText(line), it.width)),
    ...list('Not compared, of no known kind', result.unknown).flatMap((line) => wrap(escapeText(line), it.width)),
    ...(tied > 0
      ? wrap(
          `${integer(tied)} queries left out: which keys they choose, or keys before them chose, hangs on equal scores, which the reference breaks in no order`,
          it.width,
        )
      : []),
    ...wrap(
      `${tensors} tensors, ${integer(compared)} values compared; holds where |a − b| ≤ ${size(result.tolerance)} · max(1, |b|), logits ${size(result.logitsTolerance)}`,
      it.width,
    ).map(it.style.dim),
    `verify: ${verdict}`,
    '',
  ].join('\n');
}

function list(title: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > 8 ? ` and ${names.length - 8} more` : '';
  return [`${title}: ${names.slice(0, 8).join(', ')}${more}.`];
}

/** A number that is none is a word in JSON. */
const safe = (_: string, value: unknown) =>
  typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;

/** A verification as JSON. */
export function verifyJson(result: VerifyResult, about: VerifyContext): string {
  const { comparisons, first, ...rest } = result;
  const kinds = summarise(comparisons).map(({ worst, ...kind }) => ({
    ...kind,
    largest: worst.largest,
    in: worst.tensor,
  }));
  const json = { schema: 'sinklab.verify/1', ...about, ...rest, ...(first ? { first } : {}), kinds, comparisons };
  return `${JSON.stringify(json, safe, 1)}\n`;
}
