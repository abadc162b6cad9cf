import { basename } from 'node:path';
import type { LoadError } from '../error.ts';
import type { SourceFile } from '../load/checkpoint.ts';
import type { ResolvedModel } from '../load/resolve-model-node.ts';
import type { Tokenizer } from '../load/tokenizer.ts';
import { type LoadOptions, loadNamed } from '../models/load-node.ts';
import type { Model } from '../models/model.ts';
import { escapeText } from '../report/escape.ts';
import type { CommandContext } from './command.ts';
import type { ModelOptions } from './options.ts';
import { Progress, plainBytes } from './terminal.ts';

export interface OpenedModel {
  readonly model: Model;
  readonly resolved: ResolvedModel;
  /** Which model is used and why: safe to show, one sentence each. */
  readonly notes: readonly string[];
  /** The tokenizer; throws the reason why there is none. */
  tokenizer(): Tokenizer;
}

/** Opens the named model, or the default one, with progress on standard error. The caller disposes of the model. */
export async function openModel(
  name: string | undefined,
  options: ModelOptions & Pick<LoadOptions, 'keepWeights'>,
  { terminal, signal }: CommandContext,
  tokenizer: LoadOptions['tokenizer'] = 'optional',
): Promise<OpenedModel> {
  const notes: string[] = [];
  const progress = new Progress(terminal);
  const note = (text: string) => {
    progress.clear();
    notes.push(escapeText(text));
    terminal.err(`${escapeText(text)}\n`);
  };
  try {
    progress.show(`opening ${escapeText(name ?? 'the default model')}`);
    const { model, resolved, noTokenizer } = await loadNamed(name, {
      signal,
      note,
      progress: ({ file, received, total }) => progress.bytes(escapeText(file), received, total),
      tokenizer,
      ...(options.keepWeights === undefined ? {} : { keepWeights: options.keepWeights }),
      ...(options.threads === undefined ? {} : { threads: options.threads }),
      ...(options.revision === undefined ? {} : { revision: options.revision }),
      ...(options.offline === undefined ? {} : { offline: options.offline }),
      ...(options.verbose === undefined ? {} : { verbose: options.verbose }),
      ...(options.part === undefined ? {} : { part: options.part }),
    });
    return { model, resolved, notes, tokenizer: () => have(model.tokenizer, noTokenizer) };
  } finally {
    progress.clear();
  }
}

function have(tokenizer: Tokenizer | undefined, reason: LoadError | undefined): Tokenizer {
  if (tokenizer) return tokenizer;
  throw reason ?? new Error('the tokenizer was not loaded');
}

/** On what a model runs, for results. */
export function describeRun({ runtime }: Model): { runtime: string; device: string; threads: number } {
  return { runtime: runtime.backend.name, device: runtime.backend.device, threads: runtime.threads };
}

/** Which files, of which type and hash: reads them whole, once. Safe to show. */
export async function describeFiles(
  { model, resolved }: OpenedModel,
  { terminal, signal }: CommandContext,
): Promise<{ readonly files: readonly SourceFile[]; readonly text: string }> {
  const progress = new Progress(terminal);
  progress.show('hashing the weight files');
  const files = await model.checkpoint.files().finally(() => progress.clear());
  signal.throwIfAborted();
  const { dtypes, revision } = model.checkpoint.provenance;
  const named = files.map(({ name, bytes: size, sha256 }) => {
    // Files of the hub cache are links to blobs named by hash: the snapshot's name says more.
    const shown = resolved.kind === 'gguf' ? basename(resolved.path) : name;
    return `${escapeText(shown)} (${plainBytes(size)}, sha256 ${sha256.slice(0, 12)}…)`;
  });
  const types = dtypes.map((type) => escapeText(type.replace('gguf:', ''))).join(', ');
  const at = revision === undefined ? '' : ` at ${escapeText(revision.slice(0, 12))}`;
  return {
    files,
    text: `${escapeText(resolved.source)}${at}: ${named.join(', ')}, stored as ${types}, run as float32`,
  };
}
