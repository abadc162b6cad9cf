import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { readText } from '../../load/prompts-node.ts';
import type { ScanResult } from '../../measure/result.ts';
import { renderCompareHtml } from '../../report/html/compare.ts';
import { writeJson } from '../../report/json.ts';
import { parseScanResult } from '../../report/parse.ts';
import { renderCompare } from '../../report/terminal/compare.ts';
import { type CommandContext, examples, writeJsonResult, writeTextFile } from '../command.ts';
import { modelArgument, withJson, withModelOptions, withPart } from '../options.ts';
import { type RunScanOptions, runScan } from '../run-scan.ts';
import { withScanOptions } from '../scan-options.ts';

interface Options extends Omit<RunScanOptions, 'patterns'> {
  readonly revisionB?: string;
  readonly textB?: string;
  readonly fileB?: string;
  readonly html?: string;
  readonly json?: string | true;
}

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('compare')
    .summary('two models, revisions or texts side by side')
    .description(
      'Scans two models (or one model at two revisions or on two texts) and shows them side by side on one scale. A scan written with --json may stand for a model.',
    )
    .argument('<a>', `${modelArgument}, or a scan written with --json`)
    .argument('[b]', 'the same; default: as the first');
  withScanOptions(command)
    .option('--revision-b <name>', 'revision of the second model; default: none given')
    .option('--text-b <text>', 'text for the second; default: the same')
    .option('--file-b <path>', 'text file for the second; default: the same')
    .option('--html <file>', 'write one self-contained page');
  withJson(withPart(withModelOptions(command))).action((a: string, b: string | undefined, options: Options) =>
    act(a, b ?? a, options, context),
  );
  examples(command, [
    'compare HuggingFaceTB/SmolLM2-135M HuggingFaceTB/SmolLM2-135M-Instruct',
    'compare model.gguf --text "Once upon a time …" --text-b "def f(x): …"',
    'compare before.json after.json --html compare.html',
  ]);
}

async function act(a: string, b: string, options: Options, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const { revisionB, textB, fileB, revision, text, file, ...rest } = options;
  const defined = <T extends object>(values: T) =>
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  const first = await scanned(a, { ...rest, ...defined({ revision, text, file }) }, context);
  const other = textB !== undefined || fileB !== undefined ? { text: textB, file: fileB } : { text, file };
  const second = await scanned(
    b,
    { ...rest, ...defined({ revision: revisionB ?? (a === b ? revision : undefined), ...other }) },
    context,
  );
  const json = () => `{"schema":"sinklab.compare/1","a":${writeJson(first)},"b":${writeJson(second)}}\n`;
  if (!(await writeJsonResult(options.json, json, context))) terminal.out(renderCompare(first, second, terminal.paint));
  if (options.html === undefined) return;
  await writeTextFile('--html', options.html, await renderCompareHtml(first, second));
  terminal.err(`wrote ${options.html}\n`);
}

/** A result read from a file, or a model scanned now. */
async function scanned(
  name: string,
  options: Omit<RunScanOptions, 'patterns'>,
  context: CommandContext,
): Promise<ScanResult> {
  const isResult = name.endsWith('.json') && (await stat(name).catch(() => undefined))?.isFile();
  return isResult
    ? parseScanResult(await readText(name, { option: 'compare', maximumBytes: 512e6 }), name)
    : runScan(name, { ...options, patterns: 'none' }, context);
}
