import { bytes, integer, number, percent } from './format.ts';
import type { PoliciesReport, PolicyFiguresRow, PolicyRow } from './policies.schema.ts';

export interface PolicyColumn {
  readonly title: string;
  /** Words and not numbers. */
  readonly text?: true;
  cell(figures: PolicyFiguresRow, run: PolicyRow): string;
}

const spread = (value: number | null, error: number | null, digits: number): string => {
  if (value === null) return '–';
  // What explodes says enough in three digits.
  const show = (x: number) => (value < 1000 ? x.toFixed(digits) : number(x));
  return error === null ? show(value) : `${show(value)} ± ${show(error)}`;
};
const shown = (value: number | null, digits = 3) => (value === null ? '–' : number(value, digits));

/** Columns of the table; losses are after the first `capacity` tokens. */
export function policyColumns({ reference }: PoliciesReport): PolicyColumn[] {
  return [
    { title: 'policy', text: true, cell: ({ label }) => label },
    { title: 'with its sizes', text: true, cell: (_, { name }) => name },
    { title: 'tokens', cell: ({ tokens }) => integer(tokens) },
    { title: 'loss, nats', cell: ({ loss, error }) => spread(loss, error, 3) },
    { title: 'perplexity', cell: ({ perplexity }) => shown(perplexity) },
    ...(reference === null
      ? []
      : [
          {
            title: `× ${reference}`,
            cell: ({ label, ratio }: PolicyFiguresRow) =>
              label === reference ? 'reference' : ratio === null ? '–' : spread(ratio.value, ratio.error, 3),
          },
        ]),
    { title: 'ms early', cell: ({ early }) => shown(early) },
    { title: 'ms late', cell: ({ late }) => shown(late) },
    { title: 'held', cell: ({ bytes: size }) => bytes(size) },
    { title: 'allocated', cell: (_, { allocated }) => bytes(allocated) },
  ];
}

/** How often facts were found at each depth, with the mean log probability of the code. */
export function needleTable({ policies }: PoliciesReport): { depths: number[]; rows: string[][] } {
  const depths = [...new Set(policies.flatMap(({ needles }) => needles.map(({ depth }) => depth)))].sort(
    (a, b) => a - b,
  );
  const rows = policies.map(({ label, needles }) => [
    label,
    ...depths.map((depth) => {
      const asked = needles.filter((one) => one.depth === depth);
      if (asked.length === 0) return '–';
      const found = asked.filter((one) => one.found).length;
      const known = asked.flatMap(({ logProbability }) => logProbability ?? []);
      const mean = known.reduce((a, b) => a + b, 0) / known.length;
      return `${found} of ${asked.length}${known.length === 0 ? '' : `, ${number(mean)}`}`;
    }),
  ]);
  return { depths, rows };
}

export const depthTitle = (depth: number): string => percent(depth, 0);
