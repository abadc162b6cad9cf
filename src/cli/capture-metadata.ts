import type { SourceFile } from '../load/checkpoint.ts';
import type { PlannedTensor } from '../models/capture.ts';
import type { Model } from '../models/model.ts';
import type { CaptureInput } from './capture-input.ts';
import { describeRun } from './open.ts';
import { version } from './version.ts';

/**
 * What a capture file says about itself, JSON where it is no plain text:
 *
 * - `schema`: `sinklab.capture/1`; `sinklab`: version
 * - `model`: source, family, revision, weight files with SHA-256
 * - `run`: runtime, device and threads
 * - `input`: where the text, picture or sound came from; `tokens`: the text of each token, one list a row
 * - `axes`: for each tensor its axis letters, slowest first; `kept`: for each tensor the indices kept of an axis that is not whole
 */
export function captureMetadata(
  model: Model,
  plan: readonly PlannedTensor[],
  { batch, source }: CaptureInput,
  files: readonly SourceFile[],
): Map<string, string> {
  const { provenance } = model.checkpoint;
  const { tokenizer } = model;
  const kept = plan.flatMap((one) => (Object.keys(one.kept).length > 0 ? [[one.name, one.kept] as const] : []));
  const named = {
    schema: 'sinklab.capture/1',
    sinklab: version,
    model: {
      source: provenance.source,
      family: model.stack.family,
      ...(provenance.revision === undefined ? {} : { revision: provenance.revision }),
      dtypes: provenance.dtypes,
      files,
    },
    run: describeRun(model),
    input: source,
    ...(tokenizer && 'ids' in batch
      ? { tokens: batch.ids.map((row) => row.map((id) => tokenText(tokenizer, id))) }
      : {}),
    axes: Object.fromEntries(plan.map(({ name, axes }) => [name, axes])),
    ...(kept.length > 0 ? { kept: Object.fromEntries(kept) } : {}),
  };
  return new Map(
    Object.entries(named).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

/** Models may have more ids than their tokenizer. */
function tokenText(tokenizer: NonNullable<Model['tokenizer']>, id: number): string {
  return id < tokenizer.vocabularySize ? tokenizer.token(id) : `[${id}]`;
}
