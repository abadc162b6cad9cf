import { type PolicyRun, policyFigures, referenceOf } from '../cache/judge/index.ts';
import type { SourceFile } from '../load/checkpoint.ts';
import type { Model } from '../models/model.ts';
import type { PoliciesReport } from '../report/policies.schema.ts';

export interface ComparedOver {
  readonly model: Model;
  /** Path or id of the model. */
  readonly source: string;
  readonly files: readonly SourceFile[];
  readonly text: PoliciesReport['text'];
  readonly capacity: number;
  readonly settings: PoliciesReport['settings'];
  readonly weights: string;
  readonly version: string;
}

/** The runs of policies over one text as a report. */
export function policiesReport(runs: readonly PolicyRun[], over: ComparedOver): PoliciesReport {
  const { model, source, files, text, capacity, settings, weights, version } = over;
  const { family, sizes } = model.decoder;
  const { backend, threads } = model.runtime;
  return {
    format: 'sinklab.policies/1',
    sinklab: version,
    date: new Date().toISOString(),
    model: {
      ...{ source, family, layers: sizes.L, keyValueHeads: sizes.G, headWidth: sizes.D },
      maxPositions: sizes.maxPositions,
      files: files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
    },
    text,
    capacity,
    settings,
    reference: referenceOf(runs.map(({ label }) => label)),
    policies: runs.map((run) => ({ ...run })),
    figures: policyFigures(runs, capacity).map(({ ratio, ...figures }) => ({
      ...figures,
      ratio: ratio === null ? null : { ...ratio },
    })),
    provenance: {
      ...{ runtime: backend.name, device: backend.device, threads, weights, node: process.versions.node },
      seconds: runs.reduce((total, { seconds }) => total + seconds, 0),
    },
  };
}
