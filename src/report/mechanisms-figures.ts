import { bytes, number } from './format.ts';
import { variantName } from './mechanism-groups.ts';
import type { MechanismRow } from './mechanisms.schema.ts';
import { expectedWords } from './mechanisms-verdict.ts';
import { overSeeds, spread } from './over-seeds.ts';

export interface MechanismColumn {
  readonly title: string;
  /** Words and not numbers. */
  readonly text?: true;
  /** Left out where there is little room. */
  readonly wide?: true;
  cell(row: MechanismRow): string;
}

const measured =
  (toy: string, figure: string, format: (value: number) => string = (value) => value.toFixed(3)) =>
  ({ runs }: MechanismRow): string =>
    spread(overSeeds(runs[toy]?.map(({ values }) => values[figure]) ?? []), format);

const backcopy = 'bigram-backcopy';
const two = (value: number) => value.toFixed(2);

/** The columns that say something of these rows. */
export const columnsOf = (columns: readonly MechanismColumn[], rows: readonly MechanismRow[]): MechanismColumn[] =>
  columns.filter(({ cell, text }) => text || rows.some((row) => cell(row) !== 'n/a'));

/** Columns of the comparison; shares are of attention, losses in nats. */
export function mechanismColumns(toys: readonly string[]): MechanismColumn[] {
  const has = (toy: string) => toys.includes(toy);
  return [
    { title: 'variant', text: true, cell: variantName },
    ...(has(backcopy)
      ? [
          { title: 'on BOS, elsewhere', cell: measured(backcopy, 'firstElsewhere', two) },
          { title: 'at triggers', cell: measured(backcopy, 'firstAtTriggers', two) },
          { title: 'Σ|w|', cell: measured(backcopy, 'massElsewhere', two) },
          { title: 'null column', cell: measured(backcopy, 'sinkElsewhere', two) },
          { title: 'gate at triggers', wide: true as const, cell: measured(backcopy, 'gateAtTriggers', two) },
          { title: 'gate elsewhere', wide: true as const, cell: measured(backcopy, 'gateElsewhere', two) },
          { title: '‖v_BOS‖ / ‖v‖', wide: true as const, cell: measured(backcopy, 'valueRatio', two) },
          {
            title: 'largest × mean',
            wide: true as const,
            cell: measured(backcopy, 'largestRatio', (x) => number(x, 3)),
          },
          { title: 'trigger loss', cell: measured(backcopy, 'triggerLoss') },
          { title: 'other loss', wide: true as const, cell: measured(backcopy, 'otherLoss') },
        ]
      : []),
    ...(has('trigger-averaging')
      ? [{ title: 'averaging, MSE', cell: measured('trigger-averaging', 'loss', (x) => number(x, 2)) }]
      : []),
    ...(has('associative-recall') ? [{ title: 'recall', cell: measured('associative-recall', 'accuracy', two) }] : []),
    { title: 'gradient norm', wide: true, cell: (row) => gradient(row, toys[0]!) },
    { title: 'parameters', wide: true, cell: ({ cost }) => String(cost.parameters) },
    { title: 'MFLOP', wide: true, cell: ({ cost }) => number(cost.flops / 1e6, 3) },
    { title: 'state per token', wide: true, cell: ({ cost: { state } }) => stateOf(state) },
    { title: 'card', text: true, cell: said },
  ];
}

const stateOf = ({ perToken, constant }: MechanismRow['cost']['state']): string =>
  [...(perToken > 0 ? [bytes(perToken)] : []), ...(constant > 0 ? [`${bytes(constant)} in all`] : [])].join(' and ') ||
  'none';

const gradient = ({ runs }: MechanismRow, toy: string): string =>
  spread(overSeeds(runs[toy]?.map(({ gradientNorm }) => gradientNorm.mean) ?? []), (value) => number(value, 2));

function said({ expected, asExpected }: MechanismRow): string {
  if (asExpected === null) return expectedWords[expected];
  return `${expectedWords[expected]}: ${asExpected ? 'shown' : 'not shown'}`;
}
