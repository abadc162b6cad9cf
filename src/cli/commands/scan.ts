import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { ScanResult } from '../../measure/result.ts';
import { renderHtml } from '../../report/html/scan.ts';
import { writeJson } from '../../report/json.ts';
import { renderSvg } from '../../report/svg.ts';
import { renderScan } from '../../report/terminal/scan.ts';
import { type CommandContext, examples, writeJsonResult, writeTextFile } from '../command.ts';
import { modelArgument, whole, withJson, withModelOptions, withPart } from '../options.ts';
import { type RunScanOptions, runScan } from '../run-scan.ts';
import { withScanOptions } from '../scan-options.ts';

interface Options extends Omit<RunScanOptions, 'patterns'> {
  readonly patterns?: number;
  readonly html?: string;
  readonly open?: boolean;
  readonly svg?: string;
  readonly json?: string | true;
}

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('scan')
    .summary('does it have attention sinks: where, on which tokens, how strong, and is that more than chance?')
    .description(
      'Finds attention sinks, massive activations and learned sinks in a model. Without a text: 100 texts of 64 tokens for the sink rate and a page of 1,000 tokens to look at, from a novel that ships with it or from --corpus.',
    )
    .argument('[model]', `${modelArgument}; default SmolLM2-135M-Instruct`);
  withScanOptions(command)
    .option('--html <file>', 'write one self-contained page')
    .option('--svg <file>', 'write one picture: sink map and norms')
    .option('--open', 'open that page in a browser')
    .option(
      '--patterns <n>',
      'tokens from the start of the page whose patterns the page shows, for every head',
      whole(0, 4096),
    );
  withJson(withPart(withModelOptions(command))).action((model: string | undefined, options: Options) =>
    act(model, options, context),
  );
  examples(command, [
    'scan',
    'scan HuggingFaceTB/SmolLM2-135M --html scan.html --open',
    'scan ./my-model --file notes.txt --controls',
    'scan facebook/dinov2-with-registers-small --image photo.jpg --html scan.html',
    'scan openai/whisper-tiny.en --audio speech.wav',
    'scan model.gguf --corpus wikitext.txt.gz --epsilon 0.3,0.2 --json scan.json',
  ]);
}

async function act(name: string | undefined, options: Options, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const page = options.html !== undefined || options.open === true;
  const result = await runScan(name, { ...options, patterns: options.patterns ?? (page ? 'some' : 'none') }, context);
  const taken = await writeJsonResult(
    options.json,
    () => writeJson(options.patterns === undefined ? lean(result) : result),
    context,
  );
  if (!taken) terminal.out(renderScan(result, terminal.paint));
  if (options.svg !== undefined) {
    await writeTextFile('--svg', options.svg, renderSvg(result));
    terminal.err(`wrote ${options.svg}\n`);
  }
  if (!page) return;
  const file = options.html ?? join(await mkdtemp(join(tmpdir(), 'sinklab-')), 'scan.html');
  await writeTextFile('--html', file, await renderHtml(result));
  terminal.err(`wrote ${file}\n`);
  if (options.open) openInBrowser(file);
}

/** Patterns are for the page; in JSON they are megabytes that were not asked for. */
const lean = (result: ScanResult): ScanResult => ({ ...result, page: { ...result.page, patterns: [] } });

function openInBrowser(file: string): void {
  const [program, ...before] =
    process.platform === 'darwin' ? ['open'] : process.platform === 'win32' ? ['explorer.exe'] : ['xdg-open'];
  const child = spawn(program!, [...before, file], { detached: true, stdio: 'ignore' });
  child.on('error', () => process.stderr.write(`could not start ${program}; open ${file} in a browser\n`));
  child.unref();
}
