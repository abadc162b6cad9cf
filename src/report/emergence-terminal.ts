import type { EmergenceReport } from './emergence.schema.ts';
import { emergenceTable } from './emergence-figures.ts';
import { escapeText } from './escape.ts';
import { percent } from './format.ts';
import { type Paint, spark } from './terminal/paint.ts';
import { table, wrap } from './terminal/text.ts';
import { duration } from './train-words.ts';

/** Every factor with its verdict and table; the sink rate of the first row over the steps above them. */
export function renderEmergence(report: EmergenceReport, it: Paint): string {
  const { bold, dim, green, yellow } = it.style;
  const colour = (verdict: string) => (verdict === 'shown' ? green : yellow)(verdict);
  const lines: string[] = [];
  for (const { title, finding, verdict, rows } of report.factors) {
    lines.push(`${bold(escapeText(title))}: ${colour(verdict)}`, ...wrap(escapeText(finding), it.width), '');
    const looks = rows[0]!.runs[0]!.looks;
    const rates = looks.map(({ sinkRate }) => sinkRate[0]!);
    lines.push(
      dim(
        `sink on the 1st, ${escapeText(rows[0]!.label)}, to step ${looks.at(-1)!.step}: ${spark(rates, 0, 1, false, 32)}`,
      ),
    );
    const { columns, cells } = emergenceTable(rows);
    lines.push(
      ...table(
        columns.map(({ title, text }) => ({ title, ...(text ? {} : { align: 'right' as const }) })),
        cells,
        it.width,
      ),
      '',
    );
  }
  const seeds = report.seeds.length === 1 ? 'one seed' : `${report.seeds.length} seeds, ± between them`;
  lines.push(
    ...wrap(
      `Shares of heads whose mean attention to a key is above 0.3, 100 held-out sequences of 64 tokens; ${seeds}; uniform attention: ${percent(report.uniform)}. Published: a model of 60M parameters, 2410.10781. ${duration(report.provenance.seconds)}.`,
      it.width,
    ),
  );
  return `${lines.join('\n')}\n`;
}
