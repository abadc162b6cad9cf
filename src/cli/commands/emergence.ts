import type { Command } from 'commander';
import { emergence } from '../../claims/emergence/experiment.ts';
import { factors } from '../../claims/emergence/factors.ts';
import { emergenceShards } from '../../claims/emergence/shards.ts';
import { InputError } from '../../error.ts';
import type { EmergenceReport } from '../../report/emergence.schema.ts';
import { writeEmergenceJson } from '../../report/emergence-json.ts';
import { renderEmergenceSvg } from '../../report/emergence-svg.ts';
import { renderEmergence } from '../../report/emergence-terminal.ts';
import { renderEmergenceHtml } from '../../report/html/emergence.ts';
import { wrap } from '../../report/terminal/text.ts';
import { type CommandContext, examples, writeJsonResult, writeTextFile } from '../command.ts';
import { emergenceReport } from '../emergence-report.ts';
import { positive, whole, withJson } from '../options.ts';
import { type ExperimentFlags, runExperiment } from '../run-experiment.ts';
import { version } from '../version.ts';

interface Flags extends ExperimentFlags {
  readonly seeds: number;
  readonly steps?: number;
  readonly batch?: number;
  readonly learningRate?: number;
  readonly list?: boolean;
  readonly json?: string | true;
  readonly html?: string;
  readonly svg?: string;
}

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('emergence')
    .summary('what makes a sink emerge? trains a small model again and again, one factor changed each time')
    .description(
      'Repeats the factor experiments of 2410.10781 at a small scale: a bigram language with something to copy, and a decoder that is trained anew for each setting and seed. Results are kept: a run that was stopped goes on, and factors can be added later.',
    )
    .argument('[factors...]', 'names of factors; all of them where none is given')
    .option('--seeds <n>', 'seeds of each setting', whole(1, 100), 3)
    .option('--steps <n>', 'updates of each run (default: 1600)', whole(1, 1_000_000))
    .option('--batch <n>', 'sequences of a step (default: 128)', whole(1, 4096))
    .option('--learning-rate <number>', 'of settings that do not change it (default: 1e-3)', positive)
    .option('--out <folder>', 'where results are kept and found again', './sinklab-emergence')
    .option('--workers <n>', 'processes, one thread each (default: one for each core)', whole(1, 256))
    .option('--list', 'list the factors and their settings')
    .option('--html <file>', 'write curves and tables as one self-contained page')
    .option('--svg <file>', 'write the curves of the first factor (its first four settings) as one picture');
  withJson(command).action((names: string[], flags: Flags) => act(names, flags, context));
  examples(command, [
    'emergence --list',
    'emergence operation --seeds 1',
    'emergence --html emergence.html',
    'emergence first-token biases --json emergence.json',
  ]);
}

async function act(names: readonly string[], flags: Flags, context: CommandContext): Promise<void> {
  const { terminal } = context;
  if (flags.list) return terminal.out(list(terminal.paint.width));
  const chosen = names.length === 0 ? factors : names.map(factorNamed);
  const seeds = Array.from({ length: flags.seeds }, (_, seed) => seed);
  const { steps, batch, learningRate } = flags;
  const replaced = {
    ...(steps === undefined ? {} : { steps, every: Math.max(1, Math.floor(steps / 16)) }),
    ...(batch === undefined ? {} : { batch }),
    ...(learningRate === undefined ? {} : { learningRate }),
  };
  const { shards, places } = emergenceShards(chosen, seeds, replaced);
  const results = await runExperiment(emergence, shards, flags, context);
  const report = emergenceReport(chosen, seeds, results, places, {
    version,
    runtime: 'onnxruntime',
    node: process.versions.node,
  });
  if (!(await writeJsonResult(flags.json, () => writeEmergenceJson(report), context)))
    terminal.out(renderEmergence(report, terminal.paint));
  const pictures = [
    ['--html', flags.html, renderEmergenceHtml],
    ['--svg', flags.svg, async (one: EmergenceReport) => renderEmergenceSvg(one)],
  ] as const;
  for (const [option, file, render] of pictures) {
    if (file === undefined) continue;
    await writeTextFile(option, file, await render(report));
    terminal.err(`wrote ${file}\n`);
  }
}

function factorNamed(name: string) {
  const found = factors.find((factor) => factor.name === name);
  if (found) return found;
  throw new InputError(
    `emergence: there is no factor ${JSON.stringify(name)}; there are ${factors.map((factor) => factor.name).join(', ')}`,
  );
}

function list(width: number): string {
  const lines = factors.flatMap(({ name, finding, rows }) => [
    name,
    ...wrap(finding, width, '  ', '  '),
    ...wrap(rows.map(({ label }) => label).join(' · '), width, '  ', '  '),
  ]);
  return `${lines.join('\n')}\n`;
}
