import type { ScanResult } from '../measure/result.ts';
import { type ScanFindings, scan } from '../measure/scan.ts';
import { scanMemory } from '../measure/scan-memory.ts';
import { describeModel, scanResult } from '../measure/scan-result.ts';
import type { Model } from '../models/model.ts';
import { type Rounding, roundedWeights } from '../models/rounded-weights.ts';
import { allFigures } from '../report/difference.ts';
import { machineMemory } from '../runtime/memory-node.ts';
import type { CommandContext } from './command.ts';
import type { ScanInputOptions } from './inputs/prepared.ts';
import { prepareInput } from './inputs/scan-input.ts';
import { checkMemory } from './memory.ts';
import { describeFiles, openModel } from './open.ts';
import type { ModelOptions } from './options.ts';
import { Progress } from './terminal.ts';
import { version } from './version.ts';

export interface RunScanOptions extends ModelOptions, ScanInputOptions {
  readonly epsilon: readonly number[];
  readonly controls?: boolean;
  /** Matrices rounded to these bits; what that changes is told. Default: as stored. */
  readonly weights?: Rounding;
  readonly seed: number;
  /** Tokens whose patterns are kept; 'some' lets the size of the model decide. */
  readonly patterns: number | 'some' | 'none';
}

/** Cells of all kept patterns together when the user did not say: about 2 MB in the page. */
const patternCells = 20e6;

/** Opens a model, scans it with progress on standard error, and gives the result with its provenance. */
export async function runScan(
  name: string | undefined,
  options: RunScanOptions,
  context: CommandContext,
): Promise<ScanResult> {
  const { terminal, signal } = context;
  // Controls pass over the same weights again.
  const keepWeights = options.controls ? Math.min(2e9, machineMemory().free / 4) : 0;
  const opened = await openModel(name, { ...options, keepWeights }, context);
  await using model = opened.model;
  const { L, H } = model.stack.sizes;
  const { told, notes, ...input } = await prepareInput(model, options, opened, signal);
  const some = Math.min(256, input.tokens.length, Math.floor(Math.sqrt(patternCells / (L * H))));
  const patterns = options.patterns === 'some' ? some : options.patterns === 'none' ? 0 : options.patterns;
  const warning = checkMemory(scanMemory(model, input, patterns), 'this scan', 'scan a shorter text with --tokens');
  if (warning) terminal.err(`${warning}\n`);
  // After what may refuse: hashing reads the files whole.
  const { files, text } = await describeFiles(opened, context);
  terminal.err(`${text}\n`);
  const progress = new Progress(terminal);
  const started = performance.now();
  const { weights } = options;
  const scanned = (over: Model, controls: boolean, name = '') =>
    scan(over, input, {
      ...{ epsilons: options.epsilon, controls, seed: options.seed, patterns, signal },
      progress: (done, total, what) => progress.show(`${name}${what}, layer ${(done - 1) % L}`, done / total),
    }).finally(() => progress.clear());
  const result = (findings: ScanFindings) =>
    scanResult(
      { ...findings, notes: [...notes, ...findings.notes] },
      {
        sinklab: version,
        model: describeModel(model, opened.resolved.source, files),
        input: told,
        run: {
          runtime: model.runtime.backend.name,
          device: model.runtime.backend.device,
          threads: model.runtime.threads,
          seconds: (performance.now() - started) / 1000,
          peakBytes: process.resourceUsage().maxRSS * 1024,
        },
      },
    );
  if (weights === undefined) return result(await scanned(model, options.controls ?? false));
  const stored = result(await scanned(model, false, 'as stored: '));
  const rounded = result(await scanned(roundedWeights(model, weights), options.controls ?? false, `${weights}: `));
  const figures = allFigures(stored, rounded).map(({ name, unit, a, b }) => ({ name, unit, stored: a, rounded: b }));
  return { ...rounded, rounding: { weights, figures } };
}
