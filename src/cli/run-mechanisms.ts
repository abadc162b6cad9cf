import { mechanismComparison, toyOf } from '../claims/mechanisms/experiment.ts';
import { comparisonShards } from '../claims/mechanisms/shards.ts';
import { type ToyName, toyNames } from '../claims/mechanisms/toy-names.ts';
import { type Variant, variantsOf } from '../claims/mechanisms/variants.ts';
import { InputError } from '../error.ts';
import { renderMechanismsHtml } from '../report/html/mechanisms.ts';
import { renderMechanismPages } from '../report/mechanism-pages.ts';
import { writeMechanismsJson } from '../report/mechanisms-json.ts';
import { renderMechanisms } from '../report/mechanisms-terminal.ts';
import { wrap } from '../report/terminal/text.ts';
import { type CommandContext, writeJsonResult, writeTextFile, writeTextFolder } from './command.ts';
import { comparisonReport } from './mechanisms-report.ts';
import { type ExperimentFlags, runExperiment } from './run-experiment.ts';
import { version } from './version.ts';

/** What `sinklab mechanisms` was given. */
export interface MechanismsFlags extends ExperimentFlags {
  readonly toy?: readonly string[];
  readonly seeds: number;
  readonly share: number;
  readonly list?: boolean;
  readonly json?: string | true;
  readonly html?: string;
  readonly pages?: string;
}

/** Loaded when the command runs: every other command would wait for all mechanisms and toys. */
export async function runMechanisms(
  cards: readonly string[],
  flags: MechanismsFlags,
  context: CommandContext,
): Promise<void> {
  const { terminal } = context;
  const variants = variantsOf(cards);
  if (flags.list) return terminal.out(list(variants, terminal.paint.width));
  const toys = (flags.toy ?? ['bigram-backcopy']).map(toyNamed);
  const seeds = Array.from({ length: flags.seeds }, (_, seed) => seed);
  const shards = comparisonShards(variants, toys, seeds, flags.share);
  const results = await runExperiment(mechanismComparison, shards, flags, context);
  const from = { version, runtime: 'onnxruntime', node: process.versions.node };
  const report = comparisonReport(variants, toys, seeds, flags.share, results, from);
  if (!(await writeJsonResult(flags.json, () => writeMechanismsJson(report), context)))
    terminal.out(renderMechanisms(report, terminal.paint));
  if (flags.html !== undefined) {
    await writeTextFile('--html', flags.html, await renderMechanismsHtml(report));
    terminal.err(`wrote ${flags.html}\n`);
  }
  if (flags.pages !== undefined) {
    const files = renderMechanismPages(report, cards);
    await writeTextFolder('--pages', flags.pages, files);
    terminal.err(`wrote ${files.size} files into ${flags.pages}\n`);
  }
}

function toyNamed(name: string): ToyName {
  const found = toyNames.find((toy) => toy === name);
  if (found) return found;
  throw new InputError(`mechanisms: there is no toy ${JSON.stringify(name)}; there are ${toyNames.join(', ')}`);
}

function list(variants: readonly Variant[], width: number): string {
  const lines: string[] = [];
  for (const file of new Set(variants.map((variant) => variant.file))) {
    lines.push(`${file.card}: ${file.title} (${file.source})`, ...wrap(file.idea, width, '  ', '  '));
    for (const { mechanism } of variants.filter((one) => one.file === file)) lines.push(`    ${mechanism.name}`);
  }
  const toys = toyNames.map((name) => `${name}: ${toyOf(name).about}`);
  return `${[...lines, '', 'toys', ...toys.flatMap((toy) => wrap(toy, width, '    ', '  '))].join('\n')}\n`;
}
