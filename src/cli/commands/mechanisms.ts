import type { Command } from 'commander';
import { mechanismComparison, type ToyName, toyNames, toyOf } from '../../claims/mechanisms/experiment.ts';
import { comparisonShards } from '../../claims/mechanisms/shards.ts';
import { type Variant, variantsOf } from '../../claims/mechanisms/variants.ts';
import { InputError } from '../../error.ts';
import { renderMechanismsHtml } from '../../report/html/mechanisms.ts';
import { writeMechanismsJson } from '../../report/mechanisms-json.ts';
import { renderMechanisms } from '../../report/mechanisms-terminal.ts';
import { wrap } from '../../report/terminal/text.ts';
import { type CommandContext, examples, writeJsonResult, writeTextFile } from '../command.ts';
import { comparisonReport } from '../mechanisms-report.ts';
import { positive, whole, withJson } from '../options.ts';
import { type ExperimentFlags, runExperiment } from '../run-experiment.ts';
import { version } from '../version.ts';

interface Flags extends ExperimentFlags {
  readonly toy?: readonly string[];
  readonly seeds: number;
  readonly share: number;
  readonly list?: boolean;
  readonly json?: string | true;
  readonly html?: string;
}

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('mechanisms')
    .summary('which attention has sinks, and which has none? trains the same toys with every mechanism')
    .description(
      'Trains the same toys from the same seeds with every attention mechanism, and shows them side by side: attention on BOS, losses, gates, gradient, cost. Results are kept: a run that was stopped goes on.',
    )
    .argument('[cards...]', 'names of method cards; all of them where none is given')
    .option('--toy <names...>', `toys: ${toyNames.join(', ')} (default: the first)`)
    .option('--seeds <n>', 'seeds of each cell', whole(1, 100), 3)
    .option('--share <number>', "share of each toy's own steps", positive, 1)
    .option('--out <folder>', 'where results are kept and found again', './sinklab-mechanisms')
    .option('--workers <n>', 'processes, one thread each (default: one for each core)', whole(1, 256))
    .option('--list', 'list the mechanisms with their variants')
    .option('--html <file>', 'write the tables as one self-contained page');
  withJson(command).action((cards: string[], flags: Flags) => act(cards, flags, context));
  examples(command, [
    'mechanisms --list',
    'mechanisms gated-attention --seeds 1',
    'mechanisms sink-free-softmax --toy bigram-backcopy trigger-averaging',
    'mechanisms --html mechanisms.html --json mechanisms.json',
  ]);
}

async function act(cards: readonly string[], flags: Flags, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const variants = variantsOf(cards);
  if (flags.list) return terminal.out(list(variants, terminal.paint.width));
  const toys = (flags.toy ?? ['bigram-backcopy']).map(toyNamed);
  const seeds = Array.from({ length: flags.seeds }, (_, seed) => seed);
  const shards = comparisonShards(variants, toys, seeds, flags.share);
  const results = await runExperiment(mechanismComparison, shards, flags, context);
  const from = { version, runtime: 'onnxruntime', node: process.versions.node };
  const report = comparisonReport(variants, toys, seeds, results, from);
  if (!(await writeJsonResult(flags.json, () => writeMechanismsJson(report), context)))
    terminal.out(renderMechanisms(report, terminal.paint));
  if (flags.html === undefined) return;
  await writeTextFile('--html', flags.html, await renderMechanismsHtml(report));
  terminal.err(`wrote ${flags.html}\n`);
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
