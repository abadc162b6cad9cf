import type { SourceFile } from '../load/checkpoint.ts';
import type { Model } from '../models/model.ts';
import { readsTokens } from '../models/stack.ts';
import type { ModelInfo, ScanResult } from './result.ts';
import type { ScanFindings } from './scan.ts';
import { summarise } from './summary.ts';

/** What a result says of its model and of the weight files, by their hashes. */
export function describeModel(model: Model, source: string, files: readonly SourceFile[]): ModelInfo {
  const { stack } = model;
  const { sizes, blocks, family, causal = true } = stack;
  const { provenance } = model.checkpoint;
  return {
    source,
    family,
    layers: sizes.L,
    heads: sizes.H,
    keyValueHeads: sizes.G,
    headWidth: sizes.D,
    modelWidth: sizes.M,
    vocabulary: readsTokens(stack) ? stack.sizes.V : 0,
    parameters: model.parameters,
    windows: blocks.map(({ window }) => window ?? null),
    learnedSinks: blocks.flatMap(({ learnedSink }, layer) => (learnedSink ? [layer] : [])),
    ...(causal ? {} : { causal }),
    provenance: {
      format: provenance.format,
      ...(provenance.revision === undefined ? {} : { revision: provenance.revision }),
      dtypes: [...provenance.dtypes],
      ropePairing: provenance.ropePairing,
      files: files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
    },
  };
}

export interface ScanSetting {
  /** Version of this package. */
  readonly sinklab: string;
  readonly model: ModelInfo;
  readonly input: ScanResult['input'];
  readonly run: ScanResult['run'];
}

/** The findings of a scan with where they came from: the versioned result that every view shows. */
export function scanResult(findings: ScanFindings, setting: ScanSetting): ScanResult {
  const result = {
    schema: 'sinklab.scan/1' as const,
    date: new Date().toISOString(),
    ...setting,
    ...findings,
  };
  return { ...result, summary: summarise(result) };
}
